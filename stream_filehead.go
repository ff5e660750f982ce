package asyncio

import (
	"context"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/filehead"
)

// A headWriter is a driver's connection that can hold back the last packet of a
// Write until more comes.
type headWriter interface {
	// WriteMore is Write of what is followed by more at once.
	WriteMore(p []byte) (int, error)
}

// headWaits is the most of a file for which its header waits. The system takes a
// third less time for a larger one whose header goes before it, in a packet of its
// own.
const headWaits = 64 << 10

// openFileHead opens the door of package filehead.
func openFileHead() {
	filehead.Send = func(ctx context.Context, stream any, head []byte, f *os.File, offset, count int64) (int64, error) {
		w := stream.(*Stream).StreamWriter
		if err := w.putHead(head, count); err != nil {
			return 0, err
		}
		return w.Sendfile(ctx, f, offset, count)
	}
}

// putHead is put of what so much of a file follows.
func (w *StreamWriter) putHead(p []byte, count int64) error {
	s := w.sock
	c, ok := s.conn.(headWriter)
	if !ok || count > headWaits || w.tls() != nil || !s.direct() || s.writable() != nil {
		_, err := w.Write(p)
		return err
	}
	n, err := c.WriteMore(p)
	if err != nil && err != driver.ErrWouldBlock {
		s.fail(err)
		return err
	}
	s.enqueue(p[n:])
	return nil
}
