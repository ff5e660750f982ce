package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"

	"github.com/asyncio-go/asyncio"
)

// A sink takes the body of one attempt. Writing to a regular file stays on the
// loop's goroutine: the system takes the bytes into its memory in less time
// than handing them to another goroutine costs. What may block without end, a
// pipe or a terminal, is written to on another.
type sink interface {
	// write takes the next part of the body.
	write(ctx context.Context, p []byte) error
	// commit ends a body that is whole.
	commit(ctx context.Context) error
	// discard ends one that is not. It may be called after commit, and does
	// nothing then.
	discard()
}

// nowhere drops the body.
type nowhere struct{}

func (nowhere) write(context.Context, []byte) error { return nil }
func (nowhere) commit(context.Context) error        { return nil }
func (nowhere) discard()                            {}

// fileSink saves the body in a file, which has a name of its own until it is
// whole.
type fileSink struct {
	place *place
	file  *os.File
	temp  string
}

func newFileSink(p *place) (*fileSink, error) {
	s := &fileSink{place: p}
	for range 100 {
		s.temp = fmt.Sprintf(".%s.%08x.part", p.name, rand.Uint32())
		f, err := p.root.OpenFile(s.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, &Error{Code: WriteFailed, Err: err}
		}
		s.file = f
		return s, nil
	}
	return nil, fail(WriteFailed, "no free temporary name for %s", p.path)
}

func (s *fileSink) write(_ context.Context, p []byte) error {
	if _, err := s.file.Write(p); err != nil {
		return &Error{Code: WriteFailed, Err: err}
	}
	return nil
}

func (s *fileSink) commit(context.Context) error {
	err := s.file.Close()
	s.file = nil
	if err == nil {
		err = s.place.root.Rename(s.temp, s.place.name)
	}
	if err != nil {
		_ = s.place.root.Remove(s.temp)
		return &Error{Code: WriteFailed, Err: err}
	}
	return nil
}

func (s *fileSink) discard() {
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	s.file = nil
	_ = s.place.root.Remove(s.temp)
}

// deviceSink writes to what is not a regular file: a pipe, a terminal, a device.
type deviceSink struct {
	loop *asyncio.Loop
	pool *asyncio.ThreadPoolExecutor
	file *os.File
}

func newDeviceSink(ctx context.Context, l *asyncio.Loop, pool *asyncio.ThreadPoolExecutor, path string) (sink, error) {
	f, err := openDevice(ctx, l, pool, path)
	if err != nil {
		return nil, err
	}
	return &deviceSink{l, pool, f}, nil
}

// openDevice opens a device or a pipe; a pipe waits for a reader.
func openDevice(ctx context.Context, l *asyncio.Loop, pool *asyncio.ThreadPoolExecutor, path string) (*os.File, error) {
	f, err := blocking(ctx, l, pool, func() (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
	return f, writeError(err)
}

func (s *deviceSink) write(ctx context.Context, p []byte) error {
	_, err := blocking(ctx, s.loop, s.pool, func() (int, error) { return s.file.Write(p) })
	return writeError(err)
}

func (s *deviceSink) commit(context.Context) error {
	err := s.file.Close()
	s.file = nil
	return writeError(err)
}

func (s *deviceSink) discard() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// writeError adds the exit code to an error of writing; a cancellation stays as it is.
func writeError(err error) error {
	if err == nil || asyncio.IsCancelled(err) {
		return err
	}
	return &Error{Code: WriteFailed, Err: err}
}
