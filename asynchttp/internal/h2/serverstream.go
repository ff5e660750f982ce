package h2

import (
	"context"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/response"
)

// A serverStream is a request, and the task that answers it.
type serverStream struct {
	stream
	c          *serverConn
	parts      requestParts
	headerSize int
	tooLarge   bool        // the header is larger than the server takes
	hasBody    bool        // the header was not the end
	trailer    http.Header // what came after the body
	task       *asyncio.Task[struct{}]
	req        *http.Request
	reqBody    requestBody
	w          serverResponse
	readBy     *asyncio.TimerHandle
	writeBy    *asyncio.TimerHandle
	lingerBy   *asyncio.TimerHandle
}

// gone implements streamOwner. A stream that has ended before its time takes its
// handler with it.
func (s *serverStream) gone(err error) {
	stop(&s.lingerBy)
	if err == nil {
		return
	}
	if s.w.Err == nil {
		s.w.Err = err
	}
	if !s.w.Done {
		s.w.ClientGone()
		s.task.CancelCause(err)
	}
}

// done is called when the task is done, however that came.
func (s *serverStream) done() {
	c := s.c
	stop(&s.readBy)
	stop(&s.writeBy)
	c.held -= s.headerSize
	if c.running--; c.running == 0 {
		c.none.Set()
	}
	s.w.Done = true
	if s.state.canSend() {
		// A handler whose task was cancelled by somebody else has left the
		// stream open.
		s.reset(http2.ErrCodeCancel, response.ErrHandlerDone)
	}
}

// run is the task of the stream.
func (s *serverStream) run(ctx context.Context) (struct{}, error) {
	p := &s.parts
	if f := s.c.srv.RequestContext; f != nil {
		own := f(ctx, s.c.ctx)
		ctx = own
		defer own.End()
	}
	common := http.Request{Proto: "HTTP/2.0", ProtoMajor: 2, RemoteAddr: s.c.remote, TLS: s.c.wire.ConnectionState()}
	r := common.WithContext(ctx)
	r.Method, r.RequestURI, r.Host, r.URL = p.method, p.uri, p.host, p.url
	r.Header, r.Trailer = p.header, p.trailer
	r.Body, r.ContentLength = http.NoBody, 0
	if s.hasBody {
		s.reqBody.s = s
		r.Body, r.ContentLength = &s.reqBody, s.length
	}
	s.req = r
	s.w.init(s)
	if s.handle() {
		s.w.finish()
	} else {
		s.reset(http2.ErrCodeInternal, response.ErrHandlerDone)
	}
	s.finished()
	return struct{}{}, nil
}

// handle runs the handler, and reports whether it returned.
func (s *serverStream) handle() (ok bool) {
	defer func() {
		s.w.Done = true
		if ok {
			return
		}
		v := recover()
		if v == nil || v == http.ErrAbortHandler {
			return
		}
		s.c.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "panic in the handler of an HTTP request: " + s.req.Method + " " + s.req.URL.Path,
			Err:     &asyncio.PanicError{Value: v, Stack: debug.Stack()},
			Task:    s.task,
		})
	}()
	if s.tooLarge {
		s.w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		_, _ = s.w.WriteString("header too large\n")
		if err := s.c.guard.reset(); err != nil {
			s.c.fail(err)
		}
		return true
	}
	s.c.srv.Handler.ServeHTTP(&s.w, s.req)
	return true
}

const (
	// linger is how long a stream stays whose response is sent and whose request
	// has not ended: mostly its end is on its way.
	linger = 500 * time.Millisecond

	// maxLinger is how much a client may send on such a stream.
	maxLinger = 64 << 10
)

// finished ends the stream after the response: what the client still sends is
// not wanted.
func (s *serverStream) finished() {
	s.discard()
	s.body.end(response.ErrHandlerDone)
	if s.err != nil || !s.state.canReceive() || s.state.canSend() {
		return
	}
	if s.c.leaving != staying {
		s.unwanted()
		return
	}
	s.enough = s.got + maxLinger
	s.lingerBy = s.c.loop.CallLater(linger, s.unwanted)
}

// unwanted tells the client that nothing more of the request is wanted, and that
// this is no failure: RFC 9113, 8.1.
func (s *serverStream) unwanted() {
	s.lingerBy = nil
	s.reset(http2.ErrCodeNo, response.ErrHandlerDone)
}

// deadlines sets those that the server has for every request.
func (s *serverStream) deadlines() {
	if d := s.c.srv.ReadTimeout; d > 0 && s.state.canReceive() {
		s.readBy = s.c.loop.CallLater(d, s.readLate)
	}
	if d := s.c.srv.WriteTimeout; d > 0 {
		s.writeBy = s.c.loop.CallLater(d, s.writeLate)
	}
}

// readLate ends the body for the handler; the stream goes on, so that it can
// answer.
func (s *serverStream) readLate() {
	s.readBy = nil
	s.discard()
	s.body.end(os.ErrDeadlineExceeded)
}

// writeLate ends the stream.
func (s *serverStream) writeLate() {
	s.writeBy = nil
	s.reset(http2.ErrCodeInternal, os.ErrDeadlineExceeded)
}

// setDeadline makes the loop call late at t; the zero time is never.
func (s *serverStream) setDeadline(timer **asyncio.TimerHandle, t time.Time, late func()) {
	stop(timer)
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		*timer = s.c.loop.CallLater(left, late)
	} else {
		late()
	}
}

func stop(timer **asyncio.TimerHandle) {
	if *timer != nil {
		(*timer).Cancel()
		*timer = nil
	}
}

// A requestBody is the body of a request.
type requestBody struct {
	s      *serverStream
	closed bool
}

// Read implements [io.Reader]. It suspends the running task.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	s := b.s
	if s.parts.expects && !s.w.queued && s.body.size == 0 && s.body.err == nil {
		s.parts.expects = false
		_ = s.w.Informational(http.StatusContinue, nil) // the Read tells of what is wrong
	}
	n, err := s.body.read(p)
	if n > 0 {
		s.consumed(n)
	}
	if err != nil {
		b.ended()
	}
	return n, err
}

// ended gives the trailers to the request, those that were announced.
func (b *requestBody) ended() {
	s := b.s
	for name, vs := range s.trailer {
		if _, ok := s.req.Trailer[name]; ok {
			s.req.Trailer[name] = vs
		}
	}
	s.trailer = nil
}

// Close implements [io.Closer]. What was not read is dropped, and the client may
// send no more than its window allows.
func (b *requestBody) Close() error {
	if !b.closed {
		b.closed = true
		b.s.discard()
		b.s.body.end(ErrBodyClosed)
	}
	return nil
}
