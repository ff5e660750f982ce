package asynchttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

// A multiplexed is a connection that carries many requests at once.
type multiplexed struct {
	c    *conn
	h2   *h2.ClientConn
	used bool // it has carried a request
}

// A sharing is what the pool knows of the connections of a host that carry many
// requests at once.
//
// Which version of HTTP a server speaks shows when a connection is there. Of
// several requests for a host of which nothing is known, one leads and makes a
// connection; the others wait. If it is one of HTTP/2, they share it, and else
// each makes its own.
type sharing struct {
	conns   []*multiplexed
	http1   bool // the server speaks HTTP/1
	leading bool // a request makes a connection
	waiting []*asyncio.Future[struct{}]
}

// versions is which versions of HTTP the transport speaks.
func (t *Transport) versions() versions {
	v := versionsOf(t.Protocols, versions{http1: true, http2: true})
	if t.DisableKeepAlives && v.http1 {
		v.http2 = false // a connection for each request is what HTTP/1 is for
	}
	return v
}

// mayShare reports whether a connection for k may turn out to be one of HTTP/2.
func (t *Transport) mayShare(k key) bool {
	v := t.versions()
	switch {
	case k.http1 || k.addr == "":
		return false
	case k.scheme == "https":
		return v.http2
	}
	return v.plainH2 && !v.http1
}

// offers returns what is offered to the host of k in a TLS handshake.
func (t *Transport) offers(k key) []string {
	if k.http1 {
		return []string{protoHTTP1}
	}
	return t.versions().alpn()
}

// share returns a connection that the request shares with others; or nil, when
// it is to get one of its own. lead says that others wait until it has one; then
// [Transport.led] must be called.
func (t *Transport) share(ctx context.Context, k key) (m *multiplexed, lead bool, err error) {
	strict := t.HTTP2 != nil && t.HTTP2.StrictMaxConcurrentRequests
	for {
		h := t.pool.host(k)
		s := &h.sharing
		m, usable := s.best()
		full := t.MaxConnsPerHost > 0 && h.conns >= t.MaxConnsPerHost
		switch {
		case m != nil:
			return m, false, nil
		case usable != nil && (full || s.leading || strict || !usable.h2.Settled()):
			return usable, false, nil // where it waits for its turn
		case s.http1:
			return nil, false, nil
		case !s.leading:
			s.leading = true
			return nil, true, nil
		}
		f := asyncio.NewFuture[struct{}](t.loop)
		s.waiting = append(s.waiting, f)
		if _, err := f.Await(ctx); err != nil {
			s.waiting = slices.DeleteFunc(s.waiting, func(g *asyncio.Future[struct{}]) bool { return f == g })
			return nil, false, err
		}
		if t.closed {
			return nil, false, ErrTransportClosed
		}
	}
}

// best returns a connection that takes a request at once, and one that takes it
// later, that with the fewest requests.
func (s *sharing) best() (ready, usable *multiplexed) {
	for _, m := range s.conns {
		switch {
		case !m.h2.Usable():
		case m.h2.Ready():
			return m, m
		case usable == nil || m.h2.Requests() < usable.h2.Requests():
			usable = m
		}
	}
	return nil, usable
}

// led lets those go on that have waited for a connection of k.
func (t *Transport) led(h *host) {
	h.sharing.leading = false
	for _, f := range h.sharing.waiting {
		_ = f.SetResult(struct{}{}) // one that was cancelled is not waiting any more
	}
	h.sharing.waiting = nil
	t.pool.forget(h)
}

// adopt makes a connection one that is shared, if HTTP/2 is spoken on it.
func (t *Transport) adopt(ctx context.Context, c *conn) error {
	k := c.host.key
	if k.scheme == "https" {
		if c.tls.NegotiatedProtocol != protoHTTP2 {
			c.host.sharing.http1 = true
			return nil
		}
		if !h2.AcceptableTLS(c.tls) {
			return &TLSError{Host: k.addr, Err: errors.New("HTTP/2 needs TLS 1.2 with a modern cipher")}
		}
	}
	m := &multiplexed{c: c}
	var err error
	if m.h2, err = t.http2().NewConn(ctx, c.s.(h2.Wire)); err != nil {
		return err
	}
	c.multi = m
	m.h2.OnIdle, m.h2.OnEnd = m.idle, m.ended
	s := &c.host.sharing
	s.http1 = false
	s.conns = append(s.conns, m)
	return nil
}

// http2 returns what all connections of HTTP/2 have in common.
func (t *Transport) http2() *h2.Client {
	if t.h2 == nil {
		t.h2 = &h2.Client{
			MaxHeaderBytes:        int(orDefault(t.MaxResponseHeaderBytes, DefaultMaxResponseHeaderBytes)),
			MaxHeaderFields:       orDefault(t.MaxResponseFields, DefaultMaxResponseFields),
			UserAgent:             defaultUserAgent,
			ResponseHeaderTimeout: t.ResponseHeaderTimeout,
			ExpectContinueTimeout: t.ExpectContinueTimeout,
			BodyError:             func(err error) error { return &RequestBodyError{err} },
		}
		if c := t.HTTP2; c != nil {
			t.h2.PingInterval, t.h2.PingTimeout = c.SendPingTimeout, c.PingTimeout
			t.h2.StreamWindow, t.h2.ConnWindow = c.MaxReceiveBufferPerStream, c.MaxReceiveBufferPerConnection
		}
	}
	return t.h2
}

// idle is called when no request is under way any more.
func (m *multiplexed) idle() {
	c := m.c
	if c.closed || c.place != nil {
		return
	}
	c.idleSince = c.t.loop.Time()
	c.t.lieIdle(c)
}

// ended is called when the connection is over.
func (m *multiplexed) ended() {
	s := &m.c.host.sharing
	s.conns = slices.DeleteFunc(s.conns, func(x *multiplexed) bool { return x == m })
	m.wake()
	m.c.close()
}

// wake takes the connection out of those that lie idle.
func (m *multiplexed) wake() {
	if m.c.place != nil {
		m.c.t.pool.wake(m.c)
	}
}

// got tells the trace of the connection, and takes it.
func (m *multiplexed) got(trace *httptrace.ClientTrace) {
	if trace != nil && trace.GotConn != nil {
		info := httptrace.GotConnInfo{Conn: m.c.s.Conn(), Reused: m.used, WasIdle: m.c.place != nil}
		if info.WasIdle {
			info.IdleTime = m.c.t.loop.Time() - m.c.idleSince
		}
		trace.GotConn(info)
	}
	m.wake()
}

// roundTripHTTP2 is roundTrip on a connection that is shared.
func (x *exchange) roundTripHTTP2(ctx, end context.Context) (*http.Response, error) {
	m := x.c.multi
	reused := m.used
	m.used = true
	req := x.out.req
	resp, err := m.h2.Do(req, h2.Call{Context: ctx, End: end, Trace: x.out.trace, Gzip: x.out.gzip})
	if err == nil && (req.Close || wantsClose(req)) {
		m.h2.Shutdown()
	}
	if err == nil {
		if x.out.gzip {
			unzipResponse(x.c.t, resp)
		}
		return resp, nil
	}
	var stream *h2.StreamError
	var body *RequestBodyError
	isStream := errors.As(err, &stream)
	switch {
	case errors.Is(err, h2.ErrUnprocessed):
		x.unprocessed = true
	case errors.Is(err, h2.ErrHeaderTimeout):
		err = &TimeoutError{"response header"}
	case isStream && !stream.Remote:
		err = &MalformedResponseError{err}
	case errors.As(err, &body), isStream:
	default:
		x.lost = reused && m.h2.Err() != nil && x.c.cause == nil && !asyncio.IsCancelled(err) && ctx.Err() == nil
	}
	return nil, err
}
