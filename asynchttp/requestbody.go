package asynchttp

import (
	"fmt"
	"io"
	"net/http"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// requestBody is the body of a request that a Server got. Like that of a
// response, it keeps tasks from meeting on the mutex of net/http's own.
type requestBody struct {
	conn    *serverConn
	src     io.ReadCloser
	length  int64 // announced, or -1
	got     int64
	expects bool // the client waits for 100 Continue before it sends it
	reading bool
	closed  bool
	err     error // what every further Read gives; io.EOF at the end
}

// newRequestBody takes the place of the body of req.
func newRequestBody(c *serverConn, req *http.Request) *requestBody {
	b := &requestBody{conn: c, src: req.Body, length: req.ContentLength}
	if req.Body == http.NoBody {
		b.err = io.EOF
		return b
	}
	b.expects = req.ProtoAtLeast(1, 1) && hasToken(req.Header["Expect"], "100-continue")
	req.Body = b
	return b
}

// Read implements [io.Reader]. It suspends the running task.
func (b *requestBody) Read(p []byte) (int, error) {
	switch {
	case !coro.OnMarkedGoroutine():
		return 0, fmt.Errorf("asynchttp: read request body: %w", asyncio.ErrWrongGoroutine)
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.reading:
		return 0, ErrConcurrentRead
	}
	return b.read(p)
}

func (b *requestBody) read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.expects {
		b.expects = false
		if _, err := io.WriteString(b.conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			b.err = err
			return 0, err
		}
	}
	b.reading = true
	n, err := b.src.Read(p)
	b.reading = false
	b.got += int64(n)
	if err == nil {
		return n, nil
	}
	if err == io.EOF && b.conn.srv.ReadTimeout > 0 {
		b.conn.reads.stop()
	}
	if asyncio.IsCancelled(err) {
		return n, err // the wait has ended, not the body
	}
	b.err = err
	return n, err
}

// Close implements [io.Closer]. It does not read what is left: that is done
// after the handler, when the response is on its way.
func (b *requestBody) Close() error {
	b.closed = true
	return nil
}

// ended says whether nothing of it is left on the connection.
func (b *requestBody) ended() bool { return b.err == io.EOF }

// tooMuch says that more is left than is worth reading.
func (b *requestBody) tooMuch() bool {
	return !b.ended() && (b.err != nil || b.expects || b.reading || b.length-b.got > maxDrain)
}

// drain reads what the handler has left, if that is not too much, and says
// whether something is still unread.
func (b *requestBody) drain() (unread bool) {
	if b.ended() {
		return false
	}
	if b.tooMuch() {
		return true
	}
	_, err := io.CopyN(io.Discard, readerFunc(b.read), maxDrain)
	return err != io.EOF
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
