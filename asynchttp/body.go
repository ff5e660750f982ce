package asynchttp

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// bodyState is the half of an exchange that is the response's body.
//
// net/http's own body, which does the framing, holds a mutex while it reads.
// Here a Read suspends, so a second task that met it on that mutex would stop
// the whole loop. This state keeps everybody else out.
type bodyState struct {
	src     io.ReadCloser
	length  int64 // announced, or -1
	got     int64
	reading bool
	err     error // what every further Read returns
}

// wrap makes the exchange the body of resp.
func (x *exchange) wrap(resp *http.Response) {
	x.src, x.length = resp.Body, resp.ContentLength
	resp.Body = x
	if x.out.gzip {
		unzipResponse(x.c.t, resp)
	}
}

// Read implements [io.Reader]. It suspends the running task.
func (x *exchange) Read(p []byte) (int, error) {
	if !coro.OnMarkedGoroutine() {
		return 0, fmt.Errorf("asynchttp: read response body: %w", asyncio.ErrWrongGoroutine)
	}
	if x.reading {
		return 0, ErrConcurrentRead
	}
	if x.err != nil {
		return 0, x.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	x.reading = true
	n, err := x.src.Read(p)
	x.reading = false
	x.got += int64(n)
	if x.err != nil { // it was closed meanwhile
		x.abandon(x.err)
		return 0, x.err
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		x.err = io.EOF
		x.finish()
	} else {
		x.err = x.abandon(x.bodyError(err))
	}
	return n, x.err
}

// WriteTo implements [io.WriterTo], for [io.Copy]. The end of a body that has
// come with its header is written from where it lies; else the buffer is one
// that bodies of the Transport share.
func (x *exchange) WriteTo(w io.Writer) (int64, error) {
	if n, done, err := x.writeRest(w); done {
		return n, err
	}
	copies := &x.c.t.copies
	buf := copies.Get()
	defer copies.Put(buf)
	total := int64(0)
	for {
		n, err := x.Read(buf)
		if n > 0 {
			written, e := w.Write(buf[:n])
			total += int64(written)
			if e == nil && written < n {
				e = io.ErrShortWrite
			}
			if e != nil {
				return total, e
			}
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
	}
}

// writeRest writes the rest of the body, if it lies in the buffer whole.
func (x *exchange) writeRest(w io.Writer) (n int64, done bool, err error) {
	if !coro.OnMarkedGoroutine() {
		return 0, true, fmt.Errorf("asynchttp: read response body: %w", asyncio.ErrWrongGoroutine)
	}
	if x.reading || x.err != nil || x.length < 0 {
		return 0, false, nil
	}
	rest := x.length - x.got
	if rest > int64(x.c.br.Buffered()) {
		return 0, false, nil
	}
	p, err := x.c.br.Peek(int(rest))
	if err != nil {
		return 0, true, err
	}
	x.reading = true
	written, err := w.Write(p)
	x.reading = false
	switch {
	case x.err != nil: // it was closed meanwhile
		x.abandon(x.err)
		return int64(written), true, x.err
	case err == nil && written < len(p):
		err = io.ErrShortWrite
	}
	if err != nil {
		return int64(written), true, err
	}
	_, _ = x.c.br.Discard(int(rest))
	x.got = x.length
	x.err = io.EOF
	x.finish()
	return rest, true, nil
}

// bodyError returns what an error in reading the body means to the user.
func (x *exchange) bodyError(err error) error {
	c := x.c
	switch {
	case c.ioErr == nil && strings.Contains(err.Error(), "long trailer"): // net/http's error has no other mark
		return fmt.Errorf("%w: %w", ErrHeaderTooLarge, err)
	case c.ioErr == nil:
		return &MalformedResponseError{err}
	case c.ioErr != io.EOF:
		return fmt.Errorf("asynchttp: response body: %w", c.ioErr)
	case x.length >= 0:
		return fmt.Errorf("asynchttp: response body ended after %d of %d bytes: %w", x.got, x.length, io.ErrUnexpectedEOF)
	default:
		return fmt.Errorf("asynchttp: response body ended early, after %d bytes: %w", x.got, io.ErrUnexpectedEOF)
	}
}

// Close implements [io.Closer]. It never waits. A body that was not read to
// its end costs the connection, but for a rest that has come already.
//
// On a goroutine that is not the loop's it asks the loop to do it.
func (x *exchange) Close() error {
	if !coro.OnMarkedGoroutine() {
		// A loop that is closed has ended the stream already.
		_, _ = x.c.t.loop.CallSoonThreadsafe(func() { x.Close() })
		return nil
	}
	if x.err != nil {
		return nil
	}
	x.err = ErrBodyClosed
	if x.reading {
		x.c.fail(ErrBodyClosed) // the Read ends, and cleans up
		return nil
	}
	if rest := x.length - x.got; x.length >= 0 && rest <= int64(x.c.br.Buffered()) {
		_, _ = x.c.br.Discard(int(rest))
		x.finish()
		return nil
	}
	x.abandon(ErrBodyClosed)
	return nil
}

func asciiEqualFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		a, b := s[i], t[i]
		if 'A' <= a && a <= 'Z' {
			a += 'a' - 'A'
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if a != b {
			return false
		}
	}
	return true
}
