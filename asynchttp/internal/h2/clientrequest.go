package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
	"github.com/asyncio-go/asyncio/internal/coro"
)

func onLoop() bool { return coro.OnMarkedGoroutine() }

// A RequestBodyError says that the body of a request could not be read, or is
// not as long as its ContentLength.
type RequestBodyError struct{ Err error }

func (e *RequestBodyError) Error() string { return "asynchttp: request body: " + e.Err.Error() }

// Unwrap returns the body's error.
func (e *RequestBodyError) Unwrap() error { return e.Err }

func (c *clientConn) bodyError(err error) error {
	if f := c.cl.BodyError; f != nil {
		return f(err)
	}
	return &RequestBodyError{err}
}

// A requestHead is the header of a request, before it is encoded.
type requestHead struct {
	req     *http.Request
	host    string
	path    string // empty for CONNECT
	length  int64  // of the body; -1: unknown
	agent   string
	gzip    bool
	trailer string // the names of what comes after the body
}

// newRequestHead looks whether a request can be sent.
func newRequestHead(r *http.Request, gzip bool, agent string) (requestHead, error) {
	h := requestHead{req: r, gzip: gzip, agent: agent}
	if r.URL == nil || r.Header == nil {
		return h, errors.New("asynchttp: request without a URL, or without a Header")
	}
	if h.agent == "" {
		h.agent = defaultUserAgent
	}
	if v, ok := r.Header["User-Agent"]; ok {
		if h.agent = ""; len(v) > 0 {
			h.agent = v[0]
		}
	}
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case r.ContentLength != 0:
		h.length = max(r.ContentLength, -1)
	default:
		h.length = -1
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	host, err := requesturi.ASCIIHost(host)
	if err != nil {
		return h, fmt.Errorf("asynchttp: host %q: %w", r.URL.Host, err)
	}
	if !httpguts.ValidHostHeader(host) {
		return h, fmt.Errorf("asynchttp: invalid host %q", host)
	}
	h.host = host
	if r.Method != "" && !validMethod(r.Method) {
		return h, fmt.Errorf("asynchttp: invalid method %q", r.Method)
	}
	if r.Method != http.MethodConnect {
		h.path = r.URL.RequestURI()
		if !validPath(h.path) {
			h.path = strings.TrimPrefix(h.path, r.URL.Scheme+"://"+host)
		}
		if !validPath(h.path) || !httpguts.ValidHeaderFieldValue(h.path) {
			return h, fmt.Errorf("asynchttp: invalid request path %q", h.path)
		}
	}
	if err := checkHeader("header", r.Header); err != nil {
		return h, err
	}
	if err := checkHeader("trailer", r.Trailer); err != nil {
		return h, err
	}
	h.trailer, err = trailerNames(r.Trailer)
	return h, err
}

func validPath(p string) bool { return p != "" && p[0] == '/' || p == "*" }

func checkHeader(what string, h http.Header) error {
	for k, vs := range h {
		if _, usual := lowerNames[k]; !usual && !httpguts.ValidHeaderFieldName(k) {
			return fmt.Errorf("asynchttp: invalid %s field name %q", what, k)
		}
		for _, v := range vs {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("asynchttp: invalid value of %s field %q", what, k) // which may be a secret
			}
		}
	}
	return nil
}

func trailerNames(h http.Header) (string, error) {
	if len(h) == 0 {
		return "", nil
	}
	names := make([]string, 0, len(h))
	for k := range h {
		k = http.CanonicalHeaderKey(k)
		if forbiddenTrailer(k) {
			return "", fmt.Errorf("asynchttp: %q cannot be a trailer", k)
		}
		names = append(names, k)
	}
	slices.Sort(names)
	return strings.Join(names, ","), nil
}

// fields calls f with each field, pseudo-headers first.
func (h *requestHead) fields(f func(name, value string)) {
	r := h.req
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	f(":method", method)
	f(":authority", h.host)
	if method != http.MethodConnect {
		f(":scheme", r.URL.Scheme)
		f(":path", h.path)
	}
	if h.trailer != "" {
		f("trailer", h.trailer)
	}
	for k, vs := range r.Header {
		switch name := lowerName(k); {
		case name == "host", name == "content-length", name == "user-agent", name == "trailer", connectionSpecific(name):
		case name == "te":
			if httpguts.HeaderValuesContainsToken(vs, "trailers") {
				f(name, "trailers")
			}
		case name == "cookie":
			cookieFields(vs, f)
		default:
			for _, v := range vs {
				f(name, v)
			}
		}
	}
	if h.agent != "" {
		f("user-agent", h.agent)
	}
	if h.length > 0 || h.length == 0 && (method == "POST" || method == "PUT" || method == "PATCH") {
		f("content-length", strconv.FormatInt(h.length, 10))
	}
	if h.gzip {
		f("accept-encoding", "gzip")
	}
}

// cookieFields sends each cookie as a field of its own, so that those that stay
// the same cost a byte. RFC 9113, 8.2.3.
func cookieFields(values []string, f func(name, value string)) {
	for _, v := range values {
		for c := range strings.SplitSeq(v, ";") {
			if c = strings.TrimSpace(c); c != "" {
				f("cookie", c)
			}
		}
	}
}

// size is that of the header as SETTINGS_MAX_HEADER_LIST_SIZE counts it.
func (h *requestHead) size() (n uint64) {
	h.fields(func(name, value string) { n += uint64(len(name) + len(value) + 32) })
	return n
}

// send encodes the header and queues it.
func (h *requestHead) send(o *outbox, id uint32, trace *httptrace.ClientTrace) {
	if trace != nil && trace.WroteHeaderField != nil {
		// Its hooks are the user's and may wait, so they come before the block.
		h.fields(func(name, value string) { trace.WroteHeaderField(name, []string{value}) })
	}
	h.fields(o.field)
	o.headers(id, h.length == 0 && h.trailer == "")
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
}

// begin sends the body, or sees to it that somebody does.
func (s *clientStream) begin(h requestHead) {
	switch {
	case h.length == 0 && h.trailer == "":
		s.sent = true
		s.sentEnd()
		s.wrote(closeBody(s.req))
	case h.length != 0 && httpguts.HeaderValuesContainsToken(s.req.Header["Expect"], "100-continue") && s.c.expectTime() > 0:
		if t := s.call.Trace; t != nil && t.Wait100Continue != nil {
			t.Wait100Continue()
		}
		s.timer = s.c.loop.CallLater(s.c.expectTime(), func() {
			s.timer = nil
			s.startBody()
		})
	case h.length >= 0 && h.length <= smallBody && s.req.GetBody != nil && s.fits(h.length):
		// GetBody is what http.NewRequest gives to bodies in memory: they make
		// nobody wait.
		s.finishBody(s.sendBody())
	default:
		s.startBody()
	}
}

// fits reports whether n bytes could be sent without waiting.
func (s *clientStream) fits(n int64) bool {
	o := s.send.out
	return n <= int64(s.send.window) && n <= int64(o.window) && !o.clogged && o.queue.n == 0 && len(o.buf)+int(n) <= outLimit
}

// startBody makes a task that sends the body, unless it was begun.
func (s *clientStream) startBody() {
	if s.sent || s.sendTask != nil || s.err != nil {
		return
	}
	stop(&s.timer)
	returned := false
	s.sendTask = asyncio.CreateTaskOn(s.c.loop, func(context.Context) (struct{}, error) {
		defer func() {
			if !returned { // the body panicked; that is the task's error
				s.finishBody(s.c.bodyError(errors.New("its Read panicked")))
			}
		}()
		err := s.sendBody()
		returned = true
		s.finishBody(err)
		return struct{}{}, nil
	}, asyncio.WithName("asynchttp: request body"))
	s.sendTask.AddDoneCallback(func() {
		if !s.sent { // it was cancelled before it began
			s.sent = true
			closeBody(s.req)
		}
	})
}

// sendBody sends the body and what comes after it.
func (s *clientStream) sendBody() error {
	r := s.req
	length := int64(-1)
	if r.ContentLength > 0 {
		length = r.ContentLength
	}
	trailers := len(r.Trailer) > 0
	buf := s.c.common.chunks.Get()
	defer s.c.common.chunks.Put(buf)
	buf = buf[:cap(buf)]
	got := int64(0)
	for r.Body != nil {
		n, err := r.Body.Read(buf)
		got += int64(n)
		switch {
		case err != nil && err != io.EOF:
			return s.c.bodyError(err)
		case length >= 0 && got > length:
			return s.c.bodyError(fmt.Errorf("it has more than the %d bytes of its ContentLength", length))
		case err == io.EOF && got < length:
			return s.c.bodyError(fmt.Errorf("it ended after %d of the %d bytes of its ContentLength", got, length))
		}
		if err == nil && got == length {
			// Whether that was all shows in the next read, and the end can go
			// with the last of the data.
			var one [1]byte
			extra, e := io.ReadFull(r.Body, one[:])
			if extra > 0 {
				return s.c.bodyError(fmt.Errorf("it has more than the %d bytes of its ContentLength", length))
			}
			if e != io.EOF {
				return s.c.bodyError(e)
			}
			err = io.EOF
		}
		if _, e := s.send.write(buf[:n], err == io.EOF && !trailers); e != nil {
			return e
		}
		if err == io.EOF {
			break
		}
	}
	if trailers {
		o := &s.c.out
		for k, vs := range r.Trailer {
			for _, v := range vs {
				o.field(lowerName(k), v)
			}
		}
		o.headers(s.id, true)
	} else if r.Body == nil {
		s.send.out.data(s.id, nil, true)
	}
	return nil
}

// finishBody takes note of how the body has ended.
func (s *clientStream) finishBody(err error) {
	if s.sent {
		return
	}
	s.sent = true
	s.sendTask = nil
	if e := closeBody(s.req); err == nil && e != nil {
		err = s.c.bodyError(e)
	}
	s.wrote(err)
	if err == nil {
		s.sentEnd()
	} else if s.err == nil && s.state.canSend() {
		s.reset(http2.ErrCodeCancel, err)
	}
}

// wrote tells the trace, and begins to wait for the response.
func (s *clientStream) wrote(err error) {
	if t := s.call.Trace; t != nil && t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	if d := s.c.cl.ResponseHeaderTimeout; d > 0 && err == nil && s.resp == nil && s.err == nil {
		stop(&s.timer)
		s.timer = s.c.loop.CallLater(d, s.headerLate)
	}
}

func closeBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close()
}
