package asynchttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"sync/atomic"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// requestBody is the body of a request that a Server got. Like that of a
// response, it keeps tasks from meeting on the mutex of net/http's own.
type requestBody struct {
	conn    *serverConn
	src     io.ReadCloser
	parsed  *http.Request // the request as net/http knows it, which gets the trailers
	req     *http.Request // the same as the handler knows it
	length  int64         // announced, or -1
	got     int64
	expects bool // the client waits for 100 Continue before it sends it
	// mayContinue says that 100 Continue can still be sent: the response has
	// not begun.
	mayContinue bool
	begun       bool // it was read from
	reading     bool
	closed      atomic.Bool
	err         error // what every further Read returns; io.EOF at the end
}

// take takes the place of the body of req. parsed is that request as net/http
// has made it.
func (b *requestBody) take(c *serverConn, parsed, req *http.Request) {
	b.conn, b.src, b.parsed, b.req, b.length = c, parsed.Body, parsed, req, parsed.ContentLength
	if parsed.Body == http.NoBody {
		b.none(c)
		return
	}
	b.expects = req.ProtoAtLeast(1, 1) && hasToken(req.Header["Expect"], "100-continue")
	b.mayContinue = b.expects
	req.Body = b
}

// none is take for a request without a body.
func (b *requestBody) none(c *serverConn) { b.conn, b.err = c, io.EOF }

// Read implements [io.Reader]. It suspends the running task.
func (b *requestBody) Read(p []byte) (int, error) {
	switch {
	case !coro.OnMarkedGoroutine():
		return 0, fmt.Errorf("asynchttp: read request body: %w", asyncio.ErrWrongGoroutine)
	case b.closed.Load():
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
	if b.expects && b.mayContinue {
		b.expects = false
		if _, err := io.WriteString(b.conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			b.err = err
			return 0, err
		}
	}
	b.begun, b.reading = true, true
	n, err := b.src.Read(p)
	b.reading = false
	b.got += int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.end()
	case asyncio.IsCancelled(err):
		return n, err // the wait has ended, not the body
	}
	b.err = err
	return n, err
}

// end takes note of the end. Trailers that the header has not named are known
// to net/http's request only.
func (b *requestBody) end() {
	b.expects = false
	if b.conn.srv.ReadTimeout > 0 {
		b.conn.reads.Stop()
	}
	b.req.Trailer = b.parsed.Trailer
}

// Close implements [io.Closer]. It does not read what is left: that is done
// after the handler, when the response is on its way. It may be called on any
// goroutine.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}

// ended reports whether nothing of it is left on the connection.
func (b *requestBody) ended() bool { return b.err == io.EOF }

// tooMuch reports whether more is left than is worth reading.
func (b *requestBody) tooMuch() bool {
	return !b.ended() && (b.err != nil || b.expects || b.reading || b.length-b.got > maxDrain)
}

// malformed reports whether what has come of a body that nobody has read cannot
// be one: it is no sequence of chunks, or the client has ended its half before
// the end of it. The client is to know from the header that the connection ends.
func (b *requestBody) malformed() bool {
	if b.err != nil {
		return false
	}
	c := b.conn
	n := c.br.Buffered()
	cut := c.hungUp && !c.socketWaits() // nothing will come after that
	if b.length >= 0 {
		return cut && int64(n) < b.length-b.got
	}
	if b.begun || n == 0 {
		return cut && n == 0
	}
	ahead, _ := c.br.Peek(n)
	r := bufio.NewReader(bytes.NewReader(ahead))
	_, err := io.Copy(io.Discard, httputil.NewChunkedReader(r))
	if err == nil {
		_, err = textproto.NewReader(r).ReadMIMEHeader()
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return cut
	}
	return err != nil
}

// drain reads what the handler has left, if that is not too much, and reports
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
