package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A Call says how a request is done.
type Call struct {
	Context context.Context        // with which the running task waits
	End     context.Context        // whose end ends the request too, at any time; nil: none
	Trace   *httptrace.ClientTrace // nil: none
	Gzip    bool                   // ask for gzip
}

// A clientStream is a request, and the response to it.
type clientStream struct {
	stream
	c    *clientConn
	call Call
	req  *http.Request

	news     asyncio.Event // something has changed for the task in Do
	early    []earlyResponse
	earlies  int
	resp     *http.Response // once its header has come
	response http.Response  // what resp points to
	respBody responseBody
	trailer  http.Header

	sendTask *asyncio.Task[struct{}] // sends the body, when it has a task of its own
	sent     bool                    // the body was sent, or will never be
	unsent   bool                    // it never will be: the server has answered without it
	unwatch  func()
	timer    *asyncio.TimerHandle // of the response's header, or of 100-continue
}

// An earlyResponse is one of 1xx.
type earlyResponse struct {
	status int
	header http.Header
}

// errShort says that a body has ended before it was as long as announced.
var errShort = io.ErrUnexpectedEOF

// Do sends a request and returns the response as soon as its header is there.
// The response's body must be read to its end or closed. It suspends the running
// task. A request with which the server has done nothing fails with an error for
// which errors.Is(err, [ErrUnprocessed]) holds.
func (cc *ClientConn) Do(req *http.Request, call Call) (*http.Response, error) {
	c := &cc.c
	head, err := newRequestHead(req, call.Gzip, c.cl.UserAgent)
	if err == nil {
		err = c.turn(call.Context)
	}
	if err == nil && c.peer.headerList > 0 && head.size() > c.peer.headerList {
		c.giveTurns()
		err = errors.New("asynchttp: the request's header is larger than the server takes")
	}
	if err != nil {
		closeBody(req)
		return nil, err
	}
	s := &clientStream{c: c, req: req, call: call}
	s.stream.init(&c.conn, c.nextID, s)
	c.nextID += 2
	if call.End != nil {
		s.watch(call.End)
	}
	head.send(&c.out, s.id, call.Trace)
	s.begin(head)
	resp, err := s.await()
	if err != nil {
		s.reset(http2.ErrCodeCancel, err)
		s.endWatch()
		if !s.sent && s.sendTask == nil {
			s.keepBody()
		}
		return nil, err
	}
	return resp, nil
}

// watch makes the end of ctx end the request.
func (s *clientStream) watch(ctx context.Context) {
	s.unwatch = hook.WhenDone(s.c.loop, ctx, func() { s.cancel(ctx.Err()) })
}

// cancel ends the request; who waits for it gets err.
func (s *clientStream) cancel(err error) {
	s.endWatch()
	if s.body.size > 0 {
		s.body.err = nil // it is dropped, also when it has come whole, and who reads on is to know
	}
	s.reset(http2.ErrCodeCancel, err)
	s.body.end(err)
}

func (s *clientStream) endWatch() {
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}

// await suspends the running task until the response's header has come.
func (s *clientStream) await() (*http.Response, error) {
	for {
		for len(s.early) > 0 {
			e := s.early[0]
			s.early = s.early[1:]
			if err := s.tellEarly(e); err != nil {
				return nil, err
			}
		}
		switch {
		case s.resp != nil:
			stop(&s.timer)
			if !s.sent && s.sendTask == nil {
				// The server did not say that it wants the body.
				s.keepBody()
			}
			if t := s.call.Trace; t != nil && t.GotFirstResponseByte != nil && s.earlies == 0 {
				t.GotFirstResponseByte()
			}
			return s.resp, nil
		case s.err != nil:
			return nil, s.err
		}
		s.news.Clear()
		if err := s.news.Wait(s.call.Context); err != nil {
			if s.resp == nil && s.err != nil && !asyncio.IsCancelled(err) {
				err = s.err
			}
			return nil, err
		}
	}
}

// keepBody closes a body that will never be sent.
func (s *clientStream) keepBody() {
	s.sent, s.unsent = true, true
	closeBody(s.req)
	s.giveUpUnsent()
}

// giveUpUnsent ends this side of a stream that the server has ended, where the
// body was not sent.
func (s *clientStream) giveUpUnsent() {
	if s.unsent && s.err == nil && !s.state.canReceive() {
		s.c.out.rstStream(s.id, http2.ErrCodeCancel)
		s.c.forgotten.add(s.id)
		s.sentEnd()
	}
}

// tellEarly tells the trace of a response of 1xx.
func (s *clientStream) tellEarly(e earlyResponse) error {
	t := s.call.Trace
	if t != nil && t.GotFirstResponseByte != nil && s.earlies == 0 {
		t.GotFirstResponseByte()
	}
	if s.earlies++; s.earlies > maxInformational {
		return ErrTooManyInformational
	}
	if e.status == http.StatusContinue {
		if t != nil && t.Got100Continue != nil {
			t.Got100Continue()
		}
		s.startBody()
	}
	if t != nil && t.Got1xxResponse != nil {
		return t.Got1xxResponse(e.status, textproto.MIMEHeader(e.header))
	}
	return nil
}

// respond takes the header of a response.
func (s *clientStream) respond(b *block) error {
	status, err := strconv.Atoi(b.status)
	if err != nil || len(b.status) != 3 || status < 100 {
		return streamError(s.id, http2.ErrCodeProtocol, "invalid :status")
	}
	defer s.news.Set()
	if status < 200 {
		if b.end || status == http.StatusSwitchingProtocols {
			return streamError(s.id, http2.ErrCodeProtocol, "a response of 1xx that is the last")
		}
		if len(s.early) > maxInformational {
			s.reset(http2.ErrCodeEnhanceYourCalm, ErrTooManyInformational)
			return nil
		}
		s.early = append(s.early, earlyResponse{status, b.header})
		return nil
	}
	s.headed = true
	resp := &s.response
	*resp = http.Response{
		Status: statusLine(status), StatusCode: status,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: b.header, ContentLength: b.length,
		Request: s.req, TLS: s.c.wire.ConnectionState(),
	}
	if names, ok := b.header["Trailer"]; ok {
		delete(b.header, "Trailer")
		resp.Trailer = make(http.Header)
		for _, v := range names {
			for name := range strings.SplitSeq(v, ",") {
				if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
					resp.Trailer[name] = nil
				}
			}
		}
	}
	s.resp, s.respBody.s = resp, s
	isHead := s.req.Method == http.MethodHead
	if isHead || status == http.StatusNoContent || status == http.StatusNotModified {
		s.length = 0 // nothing may come, whatever was announced
	} else {
		s.length = b.length
	}
	switch {
	case !b.end:
		resp.Body = &s.respBody
		return nil
	case s.length > 0:
		s.body.end(errShort)
		resp.Body = &s.respBody
	default:
		resp.Body = http.NoBody
		if b.length < 0 && !isHead {
			resp.ContentLength = 0
		}
	}
	s.gotEnd()
	return nil
}

func statusLine(status int) string {
	if status == http.StatusOK {
		return "200 OK"
	}
	return strconv.Itoa(status) + " " + http.StatusText(status)
}

// gone implements streamOwner.
func (s *clientStream) gone(err error) {
	stop(&s.timer)
	s.news.Set()
	if s.body.size == 0 {
		s.endWatch()
	}
	if s.sendTask != nil {
		s.sendTask.Cancel()
	}
}

// headerLate is called when the response takes too long.
func (s *clientStream) headerLate() {
	s.timer = nil
	s.reset(http2.ErrCodeCancel, ErrHeaderTimeout)
}

// ErrHeaderTimeout says that the header of a response did not come in time.
var ErrHeaderTimeout = errors.New("asynchttp: timed out waiting for the response's header")

// A responseBody is the body of a response.
type responseBody struct {
	s      *clientStream
	closed bool
}

// Read implements [io.Reader]. It suspends the running task.
func (b *responseBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, ErrBodyClosed
	}
	n, err := b.s.body.read(p)
	if n > 0 {
		b.s.consumed(n)
	}
	return n, b.failed(err)
}

// failed takes note of an error of the body.
func (b *responseBody) failed(err error) error {
	if err == nil {
		return nil
	}
	s := b.s
	if b.closed {
		err = ErrBodyClosed
	}
	if s.body.err != nil && s.body.size == 0 {
		s.endWatch()
	}
	s.giveUpUnsent()
	if err == io.EOF && s.trailer != nil {
		if s.resp.Trailer == nil {
			s.resp.Trailer = make(http.Header)
		}
		for k, vs := range s.trailer {
			s.resp.Trailer[k] = vs
		}
		s.trailer = nil
	}
	return err
}

// WriteTo implements [io.WriterTo], for [io.Copy]: what has come is written from
// where it lies.
func (b *responseBody) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for !b.closed {
		p, err := b.s.body.next()
		if err != nil {
			if err = b.failed(err); err == io.EOF {
				err = nil
			}
			return total, err
		}
		n, err := w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		b.s.consumed(b.s.body.returned(n))
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, ErrBodyClosed
}

// Close implements [io.Closer]. It never waits. A response that has not come
// whole is given up: the server is told so, and the connection goes on. On a
// goroutine that is not the loop's it asks the loop to do it.
func (b *responseBody) Close() error {
	if !onLoop() {
		_, _ = b.s.c.loop.CallSoonThreadsafe(func() { _ = b.Close() })
		return nil
	}
	if !b.closed {
		b.closed = true
		b.s.cancel(ErrBodyClosed)
	}
	return nil
}

// expectTime returns how long a body waits for 100 Continue; 0: it does not.
func (c *clientConn) expectTime() time.Duration {
	switch d := c.cl.ExpectContinueTimeout; {
	case d == 0:
		return defaultExpectTime
	case d < 0:
		return 0
	default:
		return d
	}
}
