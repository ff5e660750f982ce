package asynchttp

import (
	"cmp"
	"context"
	"net/http"

	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// versions is which versions of HTTP the server speaks.
func (s *Server) versions() versions {
	return versionsOf(s.Protocols, versions{http1: true, http2: true, plainH2: true})
}

// newHTTP2 makes the part of the server that speaks HTTP/2.
func (s *Server) newHTTP2() *h2.Server {
	v := &h2.Server{
		Handler:           http.HandlerFunc(s.serveHTTP2),
		MaxHeaderBytes:    s.MaxHeaderBytes,
		MaxHeaderFields:   s.MaxHeaderFields,
		ReadHeaderTimeout: cmp.Or(s.ReadHeaderTimeout, s.ReadTimeout),
		ReadTimeout:       s.ReadTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       cmp.Or(s.IdleTimeout, s.ReadTimeout),
		RequestContext:    newHTTP2Context,
	}
	if c := s.HTTP2; c != nil {
		v.MaxConcurrentStreams = uint32(max(0, c.MaxConcurrentStreams))
		v.StreamWindow, v.ConnWindow = c.MaxReceiveBufferPerStream, c.MaxReceiveBufferPerConnection
		v.PingInterval, v.PingTimeout = c.SendPingTimeout, c.PingTimeout
	}
	return v
}

// An http2Context is the context of a request of HTTP/2: it ends with the task, and
// has the connection's values.
type http2Context struct {
	requestContext
	from valuesFrom
}

func newHTTP2Context(task, conn context.Context) h2.RequestContext {
	c := &http2Context{from: valuesFrom{task, conn}}
	c.Context = &c.from
	return c
}

// End implements [h2.RequestContext].
func (c *http2Context) End() { c.close() }

// serveHTTP2 is the handler of all requests over HTTP/2.
func (s *Server) serveHTTP2(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodOptions && r.RequestURI == "*":
		// An answer of nothing; no handler is asked.
	case r.Header["Expect"] != nil: // 100-continue is taken out already
		w.WriteHeader(http.StatusExpectationFailed)
	default:
		s.handler().ServeHTTP(w, r)
	}
}

// agreedOnHTTP2 reports whether HTTP/2 is spoken whatever comes: that was agreed on
// in the TLS handshake, or nothing else is spoken.
func (c *serverConn) agreedOnHTTP2() bool {
	if state := c.s.ConnectionState(); state != nil {
		// A client that offers nothing is given no protocol, whatever is spoken
		// here.
		return state.NegotiatedProtocol == protoHTTP2
	}
	v := c.srv.versions()
	return v.plainH2 && !v.http1
}

// preface reports whether a client without TLS has begun to speak HTTP/2, which it
// knew. It waits for the rest of what looks so.
func (c *serverConn) preface() bool {
	if !c.srv.versions().plainH2 || !c.awaitRequest() {
		return false
	}
	for {
		p, _ := c.br.Peek(c.br.Buffered())
		if is, more := h2.IsPreface(p); !is || !more {
			return is
		}
		if _, err := c.br.Peek(len(p) + 1); err != nil {
			return false
		}
	}
}

// beginHTTP2 hands the connection over to HTTP/2, with what was read of it. It
// reports whether it could.
func (c *serverConn) beginHTTP2() bool {
	c.freeReads()
	var ahead []byte
	if c.br != nil {
		ahead, _ = c.br.Peek(c.br.Buffered())
	}
	conn, err := c.srv.http2.NewConn(c.ctx, c.s, ahead)
	if err != nil {
		return false
	}
	if c.br != nil {
		c.unbuffer() // what was ahead is taken
	}
	c.http2 = conn
	if c.srv.ending {
		conn.Shutdown()
	}
	if base := c.srv.base; base != nil && base.Done() != nil {
		c.unbase = hook.WhenDone(c.srv.loop, base, conn.Close)
	}
	if c.srv.ConnState != nil {
		c.setState(http.StateActive)
		c.setState(http.StateIdle)
		conn.OnState(c.setState)
	}
	return true
}

// endHTTP2 waits for what is under way, after the connection has ended.
func (c *serverConn) endHTTP2() {
	c.http2.End()
	if c.unbase != nil {
		c.unbase()
	}
}
