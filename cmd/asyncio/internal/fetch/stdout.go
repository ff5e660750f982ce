package fetch

import (
	"context"
	"io"
	"os"

	"github.com/asyncio-go/asyncio"
)

// outlet is a stream that many write to, standard output: each as a whole,
// one after another.
type outlet struct {
	loop    *asyncio.Loop
	pool    *asyncio.ThreadPoolExecutor
	w       io.Writer
	mayWait bool // writing may block: it is a pipe or a terminal
	lock    asyncio.Lock
	broken  error // nothing can be written any more
}

func newOutlet(l *asyncio.Loop, pool *asyncio.ThreadPoolExecutor, w io.Writer) *outlet {
	o := &outlet{loop: l, pool: pool, w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		o.mayWait = err != nil || !info.Mode().IsRegular()
	}
	return o
}

// hold runs body, which may call put, while nobody else may write.
func (o *outlet) hold(ctx context.Context, body func(ctx context.Context) error) error {
	return o.lock.With(ctx, body)
}

// write writes p as a whole.
func (o *outlet) write(ctx context.Context, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	return o.hold(ctx, func(ctx context.Context) error { return o.put(ctx, p) })
}

// put writes p. The caller holds the outlet, or is the only one who writes.
func (o *outlet) put(ctx context.Context, p []byte) error {
	if o.broken != nil {
		return o.broken
	}
	var err error
	if o.mayWait {
		_, err = blocking(ctx, o.loop, o.pool, func() (int, error) { return o.w.Write(p) })
	} else {
		_, err = o.w.Write(p)
	}
	if err != nil {
		// Also when only the wait was cut off: what was written is not known
		// then, and nothing may come after it.
		o.broken = fail(WriteFailed, "standard output: %w", err)
	}
	return writeError(err)
}

// streamSink writes the only body there is to standard output as it comes.
type streamSink struct{ out *outlet }

func (s streamSink) write(ctx context.Context, p []byte) error { return s.out.put(ctx, p) }
func (streamSink) commit(context.Context) error                { return nil }
func (streamSink) discard()                                    {}

// Bodies that wait to be written as a whole are kept in memory up to these
// bounds, for one and for all, and in a temporary file beyond.
const (
	maxSpoolOne = 1 << 20
	maxSpoolAll = 16 << 20
)

// spools knows how much memory the spools take.
type spools struct{ inMemory int }

// spoolSink keeps a body until it is whole, and then writes it to standard
// output. One that does not get whole leaves nothing there.
type spoolSink struct {
	all  *spools
	out  *outlet
	data []byte
	file *os.File
}

func (s *spoolSink) write(_ context.Context, p []byte) error {
	if s.file == nil {
		if len(s.data)+len(p) <= maxSpoolOne && s.all.inMemory+len(p) <= maxSpoolAll {
			s.data = append(s.data, p...)
			s.all.inMemory += len(p)
			return nil
		}
		if err := s.spill(); err != nil {
			return &Error{Code: WriteFailed, Err: err}
		}
	}
	_, err := s.file.Write(p)
	return writeError(err)
}

// spill moves what is there to a temporary file.
func (s *spoolSink) spill() error {
	f, err := os.CreateTemp("", "asyncio-fetch-*")
	if err != nil {
		return err
	}
	s.file = f
	// Where the system allows it the file goes at once, so that none is left
	// behind however the program ends.
	_ = os.Remove(f.Name())
	_, err = f.Write(s.data)
	s.forget()
	return err
}

func (s *spoolSink) forget() {
	s.all.inMemory -= len(s.data)
	s.data = nil
}

func (s *spoolSink) commit(ctx context.Context) error {
	defer s.discard()
	return s.out.hold(ctx, func(ctx context.Context) error {
		if s.file == nil {
			if len(s.data) == 0 {
				return nil
			}
			return s.out.put(ctx, s.data)
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return &Error{Code: WriteFailed, Err: err}
		}
		buf := make([]byte, 64<<10)
		for {
			n, err := s.file.Read(buf)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return &Error{Code: WriteFailed, Err: err}
			}
			if err := s.out.put(ctx, buf[:n]); err != nil {
				return err
			}
		}
	})
}

func (s *spoolSink) discard() {
	s.forget()
	if s.file != nil {
		name := s.file.Name()
		_ = s.file.Close()
		_ = os.Remove(name) // where it could not be removed while open
		s.file = nil
	}
}
