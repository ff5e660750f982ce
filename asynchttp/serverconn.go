package asynchttp

import (
	"bufio"
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
	"github.com/asyncio-go/asyncio/internal/filehead"
	"github.com/asyncio-go/asyncio/internal/hangup"
)

const (
	// maxDrain is how much of a request's body is read after the handler, so
	// that the connection can go on.
	maxDrain = 256 << 10

	// drainTime is how long that may take, where there is no ReadTimeout.
	drainTime = 5 * time.Second
)

// A serverConn is a connection of a Server. Its task reads a request, runs the
// handler, and goes on with the next request; what a client sends ahead waits
// for its turn.
type serverConn struct {
	srv  *Server
	s    *asyncio.Stream
	net  net.Conn // the same stream, once it is asked for
	peer string   // the client's address, once a request has come
	task asyncio.AnyTask
	own  context.Context // the task's
	ctx  context.Context // of requests, without the end of each
	br   *bufio.Reader   // nil while nothing of a request has come

	ahead     []byte // what has come and is not in br yet
	meter     headerMeter
	raw       rawHeader
	place     *list.Element  // among the server's connections
	serving   *response1     // whose handler runs
	http2     *h2.ServerConn // nil: HTTP/1 is spoken
	unbase    func()         // takes back that the end of BaseContext closes it
	unctx     func()         // lets go of ctx
	first     bool           // no request has come yet
	served    bool           // no request is to come
	idle      bool           // between two requests
	hijacked  bool
	reading   bool        // a task is in Read
	late      bool        // the time for reading has run out
	deadlines atomic.Bool // a deadline of the stream was set
	hungUp    bool        // the client has ended its half
	cause     error       // why it was ended by somebody else
	ioErr     error
	readErr   error // what every further Read returns
	reads     alarm.Alarm
	writes    alarm.Alarm
}

// serve is the task of a connection. Very many lie idle, each in a Read below this
// function: what stands on the stack there is little, or the stack would be larger
// by half.
func (s *Server) serve(ctx context.Context, stream *asyncio.Stream) error {
	c := s.take(ctx, stream)
	if c == nil {
		return nil
	}
	defer c.over()
	c.served = c.begin()
	for c.http2 == nil && c.mayWait() {
		c.came(c.s.Read(s.ahead))
	}
	if c.http2 != nil {
		c.http2.Read()
	}
	return c.end(ctx)
}

// take makes a connection of a stream; nil when it is not served.
func (s *Server) take(ctx context.Context, stream *asyncio.Stream) *serverConn {
	if s.closed {
		return nil
	}
	c := &serverConn{srv: s, s: stream, first: true, own: ctx, task: asyncio.CurrentTask(ctx)}
	c.reads = alarm.New(s.loop, c.readsLate)
	c.writes = alarm.New(s.loop, func() { c.fail(&TimeoutError{"end of the response"}) })
	if s.MaxConns > 0 && s.conns.Len() >= s.MaxConns {
		defer c.reads.End()
		c.turnAway()
		return nil
	}
	c.place = s.conns.PushBack(c)
	c.setState(http.StateNew)
	c.idle = true
	c.ctx, c.unctx = s.connBase(c)
	return c
}

// over is what is to be done at the very end: a connection that ends counts until
// what was written is on its way; one that was hijacked does not.
func (c *serverConn) over() {
	c.unctx()
	c.reads.End()
	c.writes.End()
	c.srv.forget(c)
	if !c.hijacked {
		c.setState(http.StateClosed)
	}
}

// begin makes the connection ready for its first request. It reports whether all
// is served already.
func (c *serverConn) begin() (served bool) {
	if c.srv.tls != nil && !c.handshake() {
		return true
	}
	c.hungUp = hangup.Notify(c.s, func() {
		c.hungUp = true
		// Inside the loop's look at its driver nothing of the user's may run.
		c.srv.loop.CallSoon(c.lookForClient)
	})
	if c.agreedOnHTTP2() {
		return !c.beginHTTP2()
	}
	if c.s.ConnectionState() == nil {
		return false
	}
	// A Read of crypto/tls may fill its buffer and then wait, so it needs one of
	// its own.
	c.buffer()
	for c.serveOne() {
	}
	return true
}

// lookForClient ends the request whose client has gone away. A client that has
// sent its next request and ended its half is still there.
func (c *serverConn) lookForClient() {
	r := c.serving
	if r == nil || !c.hungUp || c.hijacked || r.body.ended() && c.requestWaits() {
		return
	}
	r.ctx.cancel(errClientGone)
	r.ClientGone()
}

// requestWaits reports whether something has come that was not read.
func (c *serverConn) requestWaits() bool {
	if c.br != nil && c.br.Buffered() > 0 {
		return true
	}
	return c.socketWaits()
}

// socketWaits is requestWaits for what is not even in the buffer.
func (c *serverConn) socketWaits() bool {
	if c.srv.tls != nil && c.hungUp {
		return false // the last that comes over TLS is the word that it is the end
	}
	raw, err := c.s.SyscallConn()
	if err != nil {
		return false
	}
	_, data := peeked(raw)
	return data
}

// conn returns the stream as a [net.Conn], always the same. Most connections do
// without.
func (c *serverConn) conn() net.Conn {
	if c.net == nil {
		c.net = c.s.Conn()
	}
	return c.net
}

// setState calls ConnState.
func (c *serverConn) setState(state http.ConnState) {
	if hook := c.srv.ConnState; hook != nil {
		hook(c.conn(), state)
	}
}

// end ends the connection when all is served. It waits until what was written is on
// its way: a Shutdown that did not wait for that could lose the end of a response.
func (c *serverConn) end(ctx context.Context) error {
	switch {
	case c.http2 != nil:
		c.endHTTP2()
		return nil
	case c.hijacked:
		// The stream is closed when this returns, so that is for later.
		c.reads.End()
		c.writes.End()
		c.srv.forget(c)
		if err := c.s.WaitClosed(ctx); asyncio.IsCancelled(err) {
			return err
		}
		return nil // how the connection ended is the hijacker's affair
	}
	c.writes.Set(c.srv.WriteTimeout)
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

// Read is for the bufio.Reader, which forgets an error that it has returned.
func (c *serverConn) Read(p []byte) (int, error) {
	switch {
	case c.cause != nil:
		return 0, c.cause
	case c.readErr != nil:
		return 0, c.readErr
	case c.late:
		c.readErr = &TimeoutError{"request"}
		return 0, c.readErr
	case len(c.ahead) > 0:
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	n, err := c.read(p)
	if err != nil && !passing(err) {
		c.readErr = err
	}
	return n, err
}

func (c *serverConn) read(p []byte) (int, error) {
	n := c.meter.allow(len(p))
	if n == 0 && len(p) > 0 {
		return 0, ErrHeaderTooLarge
	}
	c.reading = true
	n, err := c.s.Read(p[:n])
	c.reading = false
	if n > 0 {
		if err := c.meter.take(p[:n]); err != nil {
			return 0, err
		}
	}
	if err != nil && c.late && errors.Is(err, os.ErrDeadlineExceeded) {
		return n, &TimeoutError{"request"}
	}
	return n, c.failed(err)
}

// passing reports whether err is the end of a wait only, by a handler's own
// deadline or a cancellation.
func passing(err error) bool {
	return asyncio.IsCancelled(err) || errors.Is(err, os.ErrDeadlineExceeded)
}

// readsLate is called when what was to be read by now was not. A handler that
// does something else is let be, until it reads.
func (c *serverConn) readsLate() {
	c.late = true
	if c.reading {
		c.deadlines.Store(true)
		_ = c.conn().SetReadDeadline(longAgo) // it fails when the stream is closed, and then the Read ends, too
	}
}

var longAgo = time.Unix(1, 0)

// freeReads takes all time limits of the connection away.
func (c *serverConn) freeReads() {
	c.reads.Stop()
	c.late = false
	if c.deadlines.Swap(false) {
		_ = c.conn().SetDeadline(time.Time{}) // as above
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

// sendfile writes head and sends n bytes of f from offset on, and returns how many
// of those there were.
func (c *serverConn) sendfile(head []byte, f *os.File, offset, n int64) (int64, error) {
	if c.cause != nil {
		return 0, c.cause
	}
	sent, err := filehead.Send(c.own, c.s, head, f, offset, n)
	return sent, c.failed(err)
}

// failed notes an error of the connection.
func (c *serverConn) failed(err error) error {
	if err == nil {
		return nil
	}
	if c.cause != nil {
		err = c.cause
	}
	if c.ioErr == nil && !passing(err) {
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

// broken reports whether the connection does not work any more.
func (c *serverConn) broken() bool { return c.cause != nil || c.ioErr != nil }

// serveOne serves one request, and reports whether another may follow.
func (c *serverConn) serveOne() bool {
	if !c.awaitRequest() {
		return false
	}
	c.setState(http.StateActive)
	r := newResponse1(c)
	if err := c.readRequest(r); err != nil {
		c.refuse(err)
		return false
	}
	c.serving = r
	if c.hungUp {
		c.lookForClient()
	}
	ok := r.runHandler()
	c.serving = nil
	r.ctx.close()
	defer r.recycle()
	if c.hijacked {
		return false
	}
	if !ok || c.answer(r) != nil || c.broken() {
		c.s.Abort()
		return false
	}
	c.writes.Stop()
	return c.settle(r)
}

// answer sends what is left of the response after the handler.
func (c *serverConn) answer(r *response1) error {
	var late *TimeoutError
	if r.Status == 0 && errors.As(r.body.err, &late) {
		// The handler has not cared that the body did not come.
		r.Done = false
		r.WriteHeader(http.StatusRequestTimeout)
		r.Done = true
	}
	return r.FinishResponse()
}

// settle does what is to be done between a response and the next request, and
// reports whether there may be one.
func (c *serverConn) settle(r *response1) bool {
	unread := !r.body.ended()
	if unread && !r.close {
		if c.srv.ReadTimeout <= 0 {
			c.reads.Set(drainTime)
		}
		unread = r.body.drain()
	}
	c.freeReads()
	if c.broken() {
		return false
	}
	if unread || r.close && c.requestWaits() {
		c.lingerOn()
		return false
	}
	if r.close || c.srv.ending && !c.requestWaits() {
		return false
	}
	c.setState(http.StateIdle)
	return true
}

// hijack hands the connection over to the handler.
func (c *serverConn) hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked = true
	c.freeReads()
	c.writes.Stop()
	c.setState(http.StateHijacked)
	if c.br.Buffered() > 0 {
		// What has come belongs to the new owner.
		ahead, _ := c.br.Peek(c.br.Buffered())
		br := bufio.NewReaderSize(io.MultiReader(strings.NewReader(string(ahead)), c.conn()), 4096)
		if _, err := br.Peek(len(ahead)); err != nil {
			return nil, nil, err
		}
		return c.conn(), bufio.NewReadWriter(br, bufio.NewWriter(c.conn())), nil
	}
	return c.conn(), bufio.NewReadWriter(bufio.NewReader(c.conn()), bufio.NewWriter(c.conn())), nil
}

// runHandler runs the handler, and reports whether it returned.
func (r *response1) runHandler() (ok bool) {
	c := r.conn
	defer func() {
		r.Done = true
		if ok {
			return
		}
		v := recover()
		if v == nil || v == http.ErrAbortHandler {
			return
		}
		c.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "panic in the handler of an HTTP request: " + r.Req.Method + " " + r.Req.URL.Path,
			Err:     &asyncio.PanicError{Value: v, Stack: debug.Stack()},
			Task:    c.task,
		})
	}()
	switch expect := r.Req.Header["Expect"]; {
	case len(expect) > 0 && expect[0] != "" && !hasToken(expect[:1], "100-continue"):
		r.Header().Set("Connection", "close")
		r.WriteHeader(http.StatusExpectationFailed)
	case r.Req.Method == http.MethodOptions && r.Req.RequestURI == "*":
		// An answer of nothing; no handler is asked.
	default:
		c.srv.handler().ServeHTTP(r, r.Req)
	}
	return true
}
