package asynchttp

import (
	"bufio"
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/asyncio-go/asyncio"
)

const (
	// maxDrain is how much of a request's body is read after the handler, so
	// that the connection can go on.
	maxDrain = 256 << 10

	// drainTime is how long that may take, where there is no ReadTimeout.
	drainTime = 5 * time.Second

	// linger is how long a connection that is closed with something unread
	// goes on reading: were it closed at once, the system would reset it, and
	// the client might lose the response.
	linger = 500 * time.Millisecond
)

// A serverConn is a connection of a Server. Its task reads a request, runs the
// handler, and goes on with the next request; what a client sends ahead waits
// for its turn.
type serverConn struct {
	srv  *Server
	s    *asyncio.Stream
	task asyncio.AnyTask
	ctx  context.Context
	br   *bufio.Reader

	meter    headerMeter
	place    *list.Element // among the server's connections
	first    bool          // no request has come yet
	idle     bool          // between two requests
	hijacked bool
	reading  bool  // a task is in Read
	late     bool  // the time for reading has run out
	cause    error // why it was ended by somebody else
	ioErr    error
	reads    alarm
	writes   alarm
}

// serve is the task of a connection.
func (s *Server) serve(ctx context.Context, stream *asyncio.Stream) error {
	c := &serverConn{srv: s, s: stream, first: true}
	if s.ending {
		return nil
	}
	c.task = asyncio.CurrentTask(ctx)
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, stream.LocalAddr())
	c.br = bufio.NewReaderSize(c, 4096)
	c.reads = alarm{loop: s.loop, ring: c.readsLate}
	c.writes = alarm{loop: s.loop, ring: func() { c.fail(&TimeoutError{"end of the response"}) }}
	c.place = s.conns.PushBack(c)
	defer s.forget(c)
	defer c.reads.end()
	defer c.writes.end()
	for c.serveOne() {
	}
	if c.hijacked {
		// The stream is closed when this returns, so that is for later.
		c.reads.end()
		c.writes.end()
		s.forget(c)
		if err := stream.WaitClosed(ctx); asyncio.IsCancelled(err) {
			return err
		}
		return nil // how the connection ended is the hijacker's affair
	}
	return c.close(ctx)
}

// close waits until what was written is on its way: a Shutdown that did not
// wait for that could lose the end of a response.
func (c *serverConn) close(ctx context.Context) error {
	c.writes.set(c.srv.WriteTimeout)
	if err := c.s.Close(); err != nil {
		return err
	}
	err := c.s.WaitClosed(ctx)
	if err != nil {
		c.s.Abort()
	}
	if asyncio.IsCancelled(err) {
		return err
	}
	return nil // the peer's trouble
}

// Read is for the bufio.Reader.
func (c *serverConn) Read(p []byte) (int, error) {
	if c.cause != nil {
		return 0, c.cause
	}
	n := c.meter.allow(len(p))
	if n == 0 && len(p) > 0 {
		return 0, ErrHeaderTooLarge
	}
	if c.late {
		c.fail(&TimeoutError{"request"})
		return 0, c.cause
	}
	c.reading = true
	n, err := c.s.Read(p[:n])
	c.reading = false
	if n > 0 {
		if err := c.meter.take(p[:n]); err != nil {
			return 0, err
		}
	}
	return n, c.failed(err)
}

// readsLate is called when what was to be read by now was not. A handler that
// does something else is let be, until it reads.
func (c *serverConn) readsLate() {
	if c.reading {
		c.fail(&TimeoutError{"request"})
	} else {
		c.late = true
	}
}

func (c *serverConn) Write(p []byte) (int, error) {
	if c.cause != nil {
		return 0, c.cause
	}
	n, err := c.s.Write(p)
	return n, c.failed(err)
}

// writeLines writes several slices in one go.
func (c *serverConn) writeLines(bufs ...[]byte) error {
	if c.cause != nil {
		return c.cause
	}
	_, err := c.s.WriteLines(bufs...)
	return c.failed(err)
}

// failed notes an error of the connection. The end of a wait, by a handler's
// own deadline or a cancellation, is none.
func (c *serverConn) failed(err error) error {
	if err == nil {
		return nil
	}
	if c.cause != nil {
		err = c.cause
	}
	if c.ioErr == nil && !asyncio.IsCancelled(err) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.ioErr = err
	}
	return err
}

// fail ends the connection: whoever waits for it gets cause.
func (c *serverConn) fail(cause error) {
	if c.cause == nil {
		c.cause = cause
		c.s.Abort()
	}
}

// serveOne serves one request, and says whether another may follow.
func (c *serverConn) serveOne() bool {
	if !c.awaitRequest() {
		return false
	}
	req, err := c.readRequest()
	if err != nil {
		c.refuse(err)
		return false
	}
	r := newResponse(c, req)
	ok := r.runHandler()
	if c.hijacked {
		return false
	}
	if !ok {
		c.s.Abort()
		return false
	}
	if r.finish() != nil || c.cause != nil || c.ioErr != nil {
		c.s.Abort()
		return false
	}
	c.writes.stop()
	if c.srv.ReadTimeout <= 0 {
		c.reads.set(drainTime)
	}
	unread := r.body.drain()
	c.reads.stop()
	if c.cause != nil || c.ioErr != nil {
		return false
	}
	if unread || r.close && c.br.Buffered() > 0 {
		c.lingerOn()
		return false
	}
	return !r.close && !c.srv.ending
}

// awaitRequest waits for the first byte of a request.
func (c *serverConn) awaitRequest() bool {
	s := c.srv
	c.idle, c.late = true, false
	switch {
	case c.br.Buffered() > 0:
	case c.first:
		c.first = false
		c.reads.set(cmp.Or(s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout))
	default:
		c.reads.set(cmp.Or(s.IdleTimeout, s.ReadTimeout))
	}
	for {
		p, err := c.br.Peek(1)
		if err != nil || s.ending {
			return false
		}
		// Old clients send a line break after the body of a POST.
		if p[0] != '\r' && p[0] != '\n' {
			break
		}
		_, _ = c.br.Discard(1)
	}
	c.idle = false
	c.reads.set(cmp.Or(s.ReadHeaderTimeout, s.ReadTimeout))
	return true
}

// badRequestError is a request that gets an answer and no handler.
type badRequestError struct {
	status int
	text   string
}

func (e *badRequestError) Error() string { return e.text }

// readRequest reads the header of a request.
func (c *serverConn) readRequest() (*http.Request, error) {
	s := c.srv
	began := s.loop.Time()
	const readAhead = 4096 // of the body, which does not count
	ahead, _ := c.br.Peek(c.br.Buffered())
	limit := orDefault(s.MaxHeaderBytes, http.DefaultMaxHeaderBytes) + readAhead - len(ahead)
	c.meter.start(int64(limit), 0)
	err := c.meter.again(orDefault(s.MaxHeaderFields, maxServerFields), ahead)
	var req *http.Request
	if err == nil {
		req, err = http.ReadRequest(c.br)
	}
	c.meter.stop()
	if err != nil {
		return nil, err
	}
	switch {
	case req.ProtoMajor != 1:
		return nil, &badRequestError{http.StatusHTTPVersionNotSupported, "unsupported protocol version"}
	case req.ProtoAtLeast(1, 1) && req.Host == "" && req.Method != http.MethodConnect:
		return nil, &badRequestError{http.StatusBadRequest, "missing required Host header"}
	case !httpguts.ValidHostHeader(req.Host):
		return nil, &badRequestError{http.StatusBadRequest, "malformed Host header"}
	}
	if err := checkHeader("request header", req.Header); err != nil {
		return nil, &badRequestError{http.StatusBadRequest, "invalid header"}
	}
	if s.ReadTimeout > 0 && req.Body != http.NoBody {
		c.reads.set(max(1, s.ReadTimeout-(s.loop.Time()-began)))
	} else {
		c.reads.stop()
	}
	if s.WriteTimeout > 0 {
		c.writes.set(s.WriteTimeout)
	}
	req = req.WithContext(c.ctx)
	req.RemoteAddr = c.s.RemoteAddr().String()
	req.TLS = c.s.ConnectionState()
	return req, nil
}

// refuse answers a request that could not be read, when there is somebody to
// answer.
func (c *serverConn) refuse(err error) {
	if c.cause != nil || c.ioErr != nil {
		return
	}
	bad := &badRequestError{status: http.StatusBadRequest, text: http.StatusText(http.StatusBadRequest)}
	switch {
	case errors.Is(err, ErrHeaderTooLarge):
		bad.status, bad.text = http.StatusRequestHeaderFieldsTooLarge, http.StatusText(http.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &bad):
	case strings.Contains(err.Error(), "transfer encoding"): // net/http's error has no other mark
		bad.status, bad.text = http.StatusNotImplemented, "Unsupported transfer encoding"
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%d %s",
		bad.status, http.StatusText(bad.status), bad.status, bad.text)
	if err == nil {
		c.lingerOn()
	}
}

// lingerOn ends the sending half, and reads for a while what still comes.
func (c *serverConn) lingerOn() {
	if c.s.WriteEOF() != nil {
		return
	}
	c.late = false
	c.reads.set(linger)
	defer c.reads.stop()
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// hijack gives the connection away.
func (c *serverConn) hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked = true
	c.reads.stop()
	c.writes.stop()
	conn := c.s.Conn()
	if c.br.Buffered() > 0 {
		// What has come belongs to the new owner.
		ahead, _ := c.br.Peek(c.br.Buffered())
		ahead = append([]byte(nil), ahead...)
		br := bufio.NewReaderSize(io.MultiReader(strings.NewReader(string(ahead)), conn), 4096)
		if _, err := br.Peek(len(ahead)); err != nil {
			return nil, nil, err
		}
		return conn, bufio.NewReadWriter(br, bufio.NewWriter(conn)), nil
	}
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}

// runHandler runs the handler, and says whether it returned.
func (r *response) runHandler() (ok bool) {
	c := r.conn
	defer func() {
		r.done = true
		if ok {
			return
		}
		v := recover()
		if v == nil || v == http.ErrAbortHandler {
			return
		}
		c.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "panic in the handler of an HTTP request: " + r.req.Method + " " + r.req.URL.Path,
			Err:     &asyncio.PanicError{Value: v, Stack: debug.Stack()},
			Task:    c.task,
		})
	}()
	if r.req.Method == http.MethodOptions && r.req.RequestURI == "*" {
		r.Header().Set("Content-Length", "0")
	} else if expect := r.req.Header.Get("Expect"); expect != "" && !hasToken([]string{expect}, "100-continue") {
		r.Header().Set("Connection", "close")
		r.WriteHeader(http.StatusExpectationFailed)
	} else {
		c.srv.handler().ServeHTTP(r, r.req)
	}
	return true
}
