package h2

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// What a field of [Server] that is zero means.
const (
	defaultMaxStreams   = 250
	defaultMaxFields    = 5000
	serverStreamWindow  = 256 << 10
	serverConnWindow    = 1 << 20
	defaultHeaderTime   = 10 * time.Second
	defaultShutdownPing = time.Second
)

// A Server serves HTTP/2 on connections that are given to it. The zero value
// with a Handler is ready for use; the fields must not be changed after the
// first connection. It belongs to the loop of that one.
type Server struct {
	// Handler serves the requests, each in a task of its own.
	Handler http.Handler

	// MaxConcurrentStreams is how many requests a client may have under way on a
	// connection; zero means 250.
	MaxConcurrentStreams uint32

	// MaxHeaderBytes bounds a request's header; zero means
	// [http.DefaultMaxHeaderBytes]. All requests that are under way on a
	// connection may have four times that together.
	MaxHeaderBytes int

	// MaxHeaderFields bounds the fields of a request's header; zero means 5,000.
	MaxHeaderFields int

	// ReadHeaderTimeout limits how long a header may take from its first frame
	// to its last, and the first frames of a connection; zero means ten seconds.
	ReadHeaderTimeout time.Duration

	// ReadTimeout limits the time from a request's header to the end of its
	// body; zero means no limit.
	ReadTimeout time.Duration

	// WriteTimeout limits the time from a request's header to the end of its
	// response; zero means no limit.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection is kept without a request; zero means
	// no limit.
	IdleTimeout time.Duration

	// StreamWindow and ConnWindow are how much a client may send that no handler
	// has read, of a request and of all; zero means 256 KiB and 1 MiB. The second
	// should be several times the first: an upload that nobody reads must not
	// hold up the others.
	StreamWindow, ConnWindow int

	// PingInterval is how long a connection may be silent before the client is
	// asked whether it is still there, and PingTimeout how long it has to answer;
	// zero means never, and 15 seconds.
	PingInterval, PingTimeout time.Duration

	// RequestContext makes the context of a request from that of its task and that of
	// its connection, whose values it is to have. Nil means the task's context, with
	// the connection's values and the local address.
	RequestContext func(task, conn context.Context) RequestContext

	common common
}

func (s *Server) limits() blockLimits {
	l := blockLimits{bytes: s.MaxHeaderBytes, fields: s.MaxHeaderFields}
	if l.bytes <= 0 {
		l.bytes = http.DefaultMaxHeaderBytes
	}
	if l.fields <= 0 {
		l.fields = defaultMaxFields
	}
	return l
}

func (s *Server) maxStreams() uint32 {
	if s.MaxConcurrentStreams == 0 {
		return defaultMaxStreams
	}
	return s.MaxConcurrentStreams
}

// A RequestContext is the context of a request.
type RequestContext interface {
	context.Context

	// End is called when the handler has returned.
	End()
}

// windows returns what a stream and a connection may send unread.
func (s *Server) windows() (stream, conn int) {
	stream, conn = serverStreamWindow, serverConnWindow
	if s.StreamWindow > 0 {
		stream = min(s.StreamWindow, maxWindow)
	}
	if s.ConnWindow > 0 {
		conn = min(s.ConnWindow, maxWindow)
	}
	return stream, max(conn, defaultWindow) // which cannot be made smaller
}

// A ServerConn is a connection of a [Server].
type ServerConn struct{ c serverConn }

// NewConn makes a connection of w, of which ahead was read before. The running task
// is to serve it, by [ServerConn.Read] and then [ServerConn.End].
func (s *Server) NewConn(ctx context.Context, w Wire, ahead []byte) (*ServerConn, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	c := &ServerConn{}
	c.c.init(s, l, ctx, w)
	c.c.received(ahead)
	return c, nil
}

// Read serves the connection until it ends. What stands on the stack of its task
// is what an idle connection keeps there.
func (c *ServerConn) Read() { c.c.run() }

// End closes the connection after Read, and waits until its handlers have
// returned.
func (c *ServerConn) End() { c.c.over() }

// Shutdown ends the connection gently: the client is told to send no more
// requests, those that have come are answered. It waits for nothing.
func (c *ServerConn) Shutdown() { c.c.shutdown() }

// Close ends the connection at once: handlers are cancelled.
func (c *ServerConn) Close() {
	c.c.finish(http.ErrServerClosed)
	c.c.lose(http.ErrServerClosed)
}

// OnState has f called when the connection begins to answer requests
// ([http.StateActive]), and when it has answered all ([http.StateIdle]).
func (c *ServerConn) OnState(f func(http.ConnState)) {
	c.c.state = f
	if len(c.c.streams) > 0 {
		f(http.StateActive)
	}
}

// Err returns why the connection has ended; nil while it has not.
func (c *ServerConn) Err() error { return c.c.err }

// IsPreface reports whether p is how a client begins that speaks HTTP/2 without
// having asked (prior knowledge), and whether more bytes are needed to be sure.
func IsPreface(p []byte) (is, more bool) {
	n := min(len(p), len(http2.ClientPreface))
	if string(p[:n]) != http2.ClientPreface[:n] {
		return false, false
	}
	return true, n < len(http2.ClientPreface)
}

// AcceptableTLS reports whether HTTP/2 may be spoken over such a connection:
// RFC 9113, 9.2, wants TLS 1.2 with a modern cipher, or later.
func AcceptableTLS(state *tls.ConnectionState) bool {
	if state == nil || state.Version >= tls.VersionTLS13 {
		return true
	}
	if state.Version < tls.VersionTLS12 {
		return false
	}
	switch state.CipherSuite {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return false
}

// greeting is the settings of a server.
func (s *Server) greeting() []http2.Setting {
	stream, _ := s.windows()
	return []http2.Setting{
		{ID: http2.SettingMaxConcurrentStreams, Val: s.maxStreams()},
		{ID: http2.SettingInitialWindowSize, Val: uint32(stream)},
		{ID: http2.SettingMaxHeaderListSize, Val: uint32(s.limits().bytes)},
	}
}
