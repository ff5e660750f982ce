package fetch

import (
	"context"
	"io"
	"os"

	"github.com/asyncio-go/asyncio"
)

// outlet is a stream that many write to, most often standard output: each as a
// whole, one after another.
type outlet struct {
	loop    *asyncio.Loop
	pool    *asyncio.ThreadPoolExecutor
	w       io.Writer
	what    string // its name, for errors
	mayWait bool   // writing may block: it is a pipe or a terminal
	lock    asyncio.Lock
	written func() // called when lines were written, or could not be

	pending, spare []byte // lines
	flushing       bool   // somebody is about to write them

	broken error // nobody takes what is written any more
	cut    bool  // the wait for a write was cut off, so what was written is not known
}

func newOutlet(l *asyncio.Loop, pool *asyncio.ThreadPoolExecutor, w io.Writer, written func()) *outlet {
	o := &outlet{loop: l, pool: pool, w: w, what: "standard output", written: written}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		o.mayWait = err != nil || !info.Mode().IsRegular()
	}
	return o
}

// hold runs body, which may call put, while nobody else may write.
func (o *outlet) hold(ctx context.Context, body func(ctx context.Context) error) error {
	return o.lock.With(ctx, func(ctx context.Context) error {
		if err := o.drain(ctx); err != nil {
			return err
		}
		return body(ctx)
	})
}

// maxPending is how many bytes of lines may wait to be written.
const maxPending = 256 << 10

// line writes a line as a whole, after what was written before. Lines are
// gathered while one is being written, so that many of them cost little; the
// caller waits only when there are too many.
func (o *outlet) line(ctx context.Context, p []byte) error {
	if o.broken != nil {
		return o.broken
	}
	o.pending = append(o.pending, p...)
	if len(o.pending) > maxPending {
		return o.flush(ctx)
	}
	if !o.flushing && len(o.pending) > 0 {
		o.flushing = true
		asyncio.CreateTaskOn(o.loop, func(ctx context.Context) (struct{}, error) {
			defer func() { o.flushing = false }()
			_ = o.flush(ctx) // the next to write gets the error
			o.written()
			return struct{}{}, nil
		})
	}
	return nil
}

// flush writes all lines.
func (o *outlet) flush(ctx context.Context) error {
	if len(o.pending) == 0 && !o.lock.Locked() {
		return o.broken
	}
	return o.lock.With(ctx, o.drain)
}

// drain writes the lines that wait. The caller holds the outlet.
func (o *outlet) drain(ctx context.Context) error {
	for len(o.pending) > 0 {
		p := o.pending
		o.pending = o.spare[:0]
		o.spare = nil // while p may be read by whoever writes it
		if err := o.put(ctx, p); err != nil {
			return err
		}
		o.spare = p
	}
	return nil
}

// put writes p. The caller holds the outlet, or is the only one who writes.
func (o *outlet) put(ctx context.Context, p []byte) error {
	if o.broken != nil {
		return o.broken
	}
	if o.cut {
		return fail(WriteFailed, "%s: an earlier write was cut off", o.what)
	}
	var err error
	if o.mayWait {
		_, err = blocking(ctx, o.loop, o.pool, func() (int, error) { return o.w.Write(p) })
	} else {
		_, err = o.w.Write(p)
	}
	switch {
	case asyncio.IsCancelled(err):
		o.cut = true
	case err != nil:
		o.broken = fail(WriteFailed, "%s: %w", o.what, err)
		return o.broken
	}
	return err
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

// spoolSink keeps a body until it is whole, and then writes it to an outlet,
// which it asks for only then. One that does not get whole leaves nothing there.
type spoolSink struct {
	all  *spools
	open func(ctx context.Context) (*outlet, error)
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
	out, err := s.open(ctx)
	if err != nil {
		return err
	}
	return out.hold(ctx, func(ctx context.Context) error {
		if s.file == nil {
			if len(s.data) == 0 {
				return nil
			}
			return out.put(ctx, s.data)
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
			if err := out.put(ctx, buf[:n]); err != nil {
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
