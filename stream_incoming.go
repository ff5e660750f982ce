package asyncio

import (
	"bytes"
	"context"
	"io"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// An incoming is what a reader holds. It is made when there is something: who
// reads into a buffer of his own needs none, and there may be very many.
type incoming struct {
	buf []byte // buf[off:] is what has come and was not read
	off int
	err error // all reads return it

	filling bool // a task waits to read into what is behind buf

	// A line that was too long was dropped with its end, and nothing was read
	// since.
	wholeLine bool
}

const (
	// A ReadExactly of no more has a buffer that is large enough as soon as the
	// first byte is there. What is asked for beyond that may never come, and
	// the buffer grows with what does.
	exactBuffer = 16 << 10

	// That a read has not filled its buffer says that there is no more.
	exactSlack = 512
)

// held returns what the reader holds, to add to it.
func (r *StreamReader) held() *incoming {
	if r.in == nil {
		r.in = &incoming{}
	}
	return r.in
}

func (r *StreamReader) buffered() int { return len(r.unread()) }

// unread is what is in the buffer.
func (r *StreamReader) unread() []byte {
	if r.in == nil {
		return nil
	}
	return r.in.buf[r.in.off:]
}

// take removes n bytes from the buffer. They are the caller's to copy before he
// calls release.
func (r *StreamReader) take(n int) []byte {
	p := r.unread()[:n]
	if n > 0 {
		r.in.off += n
	}
	return p
}

// release lets go of the buffer when there is nothing in it: the next reader of
// the loop gets it.
func (r *StreamReader) release() {
	in := r.in
	if in == nil || in.buf == nil || in.off < len(in.buf) || in.filling {
		return
	}
	connectionsOf(r.src.eventLoop()).giveBack(in.buf)
	in.buf, in.off = nil, 0
}

// takeCopy is take for what the caller may keep. Where all is taken, the
// buffer itself is given away.
func (r *StreamReader) takeCopy(n int) []byte {
	all := n == r.buffered()
	p := r.take(n)
	if all && cap(p) < 2*len(p) && !r.in.filling {
		r.in.buf, r.in.off = nil, 0
		return p[:n:n]
	}
	p = bytes.Clone(p)
	r.release()
	return p
}

// fill waits until there is more in the buffer, or the end has come. want is how
// much there is to be in the end; 0: nobody knows.
func (r *StreamReader) fill(t *task, level context.Context, want int) error {
	err := r.more(t, level, want)
	switch err {
	case nil:
	case io.EOF:
		r.eof, err = true, nil
	default:
		r.keepError()
	}
	r.release()
	return err
}

func (r *StreamReader) more(t *task, level context.Context, want int) error {
	switch src := r.src.(type) {
	case *handFeed:
		_, err := src.read(t, level, nil)
		return err
	case *pullSocket:
		for { // very many may wait here: without a buffer
			if _, err := src.read(t, level, nil); err != nil {
				return err
			}
			room := r.room(want)
			n, err := src.attempt(room)
			r.in.buf = append(r.in.buf, room[:n]...)
			if err != driver.ErrWouldBlock {
				return err
			}
			r.release()
		}
	default:
		room := r.room(want)
		in := r.in
		others := in.filling // whose read goes on: this one fails
		in.filling = true
		n, err := src.read(t, level, room)
		in.filling = others
		in.buf = append(in.buf, room[:n]...) // in place, unless another task has taken what there was
		return err
	}
}

// room returns room for more at the end of the buffer.
func (r *StreamReader) room(want int) []byte {
	in := r.held()
	if in.buf == nil && want <= readerBuffer {
		in.buf = connectionsOf(r.src.eventLoop()).borrow()
		return in.buf[:cap(in.buf)]
	}
	if in.off > 0 && len(in.buf) == cap(in.buf) {
		in.buf = in.buf[:copy(in.buf, in.buf[in.off:])]
		in.off = 0
	}
	if len(in.buf) == cap(in.buf) {
		size := 2 * cap(in.buf)
		if want <= exactBuffer {
			size = max(size, want+exactSlack)
		}
		grown := make([]byte, len(in.buf), max(readerBuffer, size))
		copy(grown, in.buf)
		in.buf = grown
	}
	return in.buf[len(in.buf):cap(in.buf)]
}
