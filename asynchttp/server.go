package asynchttp

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
	"github.com/asyncio-go/asyncio/asynchttp/internal/response"
)

// A Server runs an [http.Handler] on an asyncio loop: a coroutine for each
// connection, which serves its requests one after another; with HTTP/2, a
// coroutine for each request. Its fields have the names they have in
// [http.Server].
//
// A client that sets out to keep an HTTP/2 server busy, with streams that it
// begins and resets, frames that carry nothing, or headers that unpack to very
// much, is told ENHANCE_YOUR_CALM, and its connection is closed. One that reads
// nothing at all of what it is sent is closed after a minute. With HTTP/2, time
// limits end the request and not the connection.
//
// A handler runs on the loop's goroutine. It may call any function of asyncio
// with the request's context, and start tasks; while it waits, other
// connections are served. It must not block, and must not use the request or
// the ResponseWriter on another goroutine.
//
// Where a handler makes requests of its own, as [net/http/httputil.ReverseProxy]
// does, it needs a [Transport] of this package. [http.DefaultTransport] blocks
// the loop until the answer has come: all other connections stand still
// meanwhile. A server reports that, once, to the loop's exception handler.
//
// The request's context ends when the client goes away, and when the handler
// has returned. A client that has sent its request and ends its half of the
// connection counts as gone, as it does in net/http. Over the portable driver
// that is noticed only where nothing of what the client has sent is unread.
//
// All methods are for the loop's goroutine. The fields must not be changed
// after the start.
type Server struct {
	// Handler serves the requests; nil means [http.DefaultServeMux].
	Handler http.Handler

	// TLSConfig, when it is set, makes this an https server. It must have a
	// certificate.
	TLSConfig *tls.Config

	// ReadHeaderTimeout limits the time in which a request's header must
	// come; zero means ReadTimeout's value, and that zero too, no limit.
	ReadHeaderTimeout time.Duration

	// ReadTimeout limits the time in which a whole request must come, its
	// body included; zero means no limit.
	ReadTimeout time.Duration

	// WriteTimeout limits the time from the end of a request's header to the
	// end of the response; zero means no limit.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection is kept for the next request; zero
	// means ReadTimeout's value, and that zero too, no limit.
	IdleTimeout time.Duration

	// MaxHeaderBytes limits a request's line and header; zero means
	// [http.DefaultMaxHeaderBytes], 1 MiB.
	MaxHeaderBytes int

	// MaxHeaderFields limits the lines of a request's header; zero means
	// 5,000.
	MaxHeaderFields int

	// MaxConns limits the connections, but for those that were hijacked; zero
	// means no limit. One that is too many is told 503 and closed; over TLS it
	// is closed.
	MaxConns int

	// Protocols is which versions of HTTP are spoken; nil means HTTP/1 and
	// HTTP/2, the latter over TLS and, with clients that begin with it, without.
	Protocols *http.Protocols

	// HTTP2 is for HTTP/2. Of it count MaxConcurrentStreams (zero means 250),
	// MaxReceiveBufferPerStream (256 KiB), MaxReceiveBufferPerConnection (1 MiB),
	// SendPingTimeout (never) and PingTimeout (15 seconds).
	HTTP2 *http.HTTP2Config

	// BaseContext returns the context whose values requests have; its end
	// ends them, too. The listener is only to be asked for its address.
	BaseContext func(net.Listener) context.Context

	// ConnContext changes the context of the requests of a connection. What it
	// returns must be derived from ctx.
	ConnContext func(ctx context.Context, c net.Conn) context.Context

	// ConnState is called when a connection changes its state. It must not
	// wait.
	ConnState func(net.Conn, http.ConnState)

	loop       *asyncio.Loop
	listener   *asyncio.Server
	shadow     *http.Server // what handlers find under http.ServerContextKey
	tls        *tls.Config  // with what this package adds to it
	base       context.Context
	watch      *transportWatch
	http2      *h2.Server
	conns      list.List // of *serverConn, in the order in which they came
	turnedAway int       // connections above MaxConns that are being told so
	ending     bool
	closed     bool
	ended      []*asyncio.Future[struct{}] // who waits for the end
	onShutdown []func()
	wires      wires
	names      fieldNames
	responses  *response.Shared
	ahead      []byte          // what idle connections read into
	readers    []*bufio.Reader // of connections that lie idle
}

// maxServerFields is what a MaxHeaderFields of zero means.
const maxServerFields = 5000

// Start listens and serves in the background, and returns the address: that of
// the listener, with its port. The network is "tcp", "tcp4", "tcp6" or "unix".
// It returns at once; the server ends with [Server.Close], [Server.Shutdown],
// or the loop. A server is started once; after its end Start returns
// [http.ErrServerClosed].
func (s *Server) Start(ctx context.Context, network, address string, opts ...asyncio.ServerOption) (net.Addr, error) {
	switch {
	case s.ending:
		return nil, http.ErrServerClosed
	case s.listener != nil:
		return nil, fmt.Errorf("asynchttp: the server was started before: %w", asyncio.ErrInvalidState)
	}
	if s.TLSConfig != nil {
		s.tls = s.TLSConfig.Clone()
		s.tls.NextProtos = s.versions().alpn()
	}
	l, err := asyncio.StartServer(ctx, network, address, s.serve, opts...)
	if err != nil {
		return nil, err
	}
	s.loop, s.listener = l.Loop(), l
	s.responses, s.ahead = response.NewShared(s.loop), make([]byte, readAhead)
	s.shadow, s.watch, s.http2 = s.netHTTP(), newTransportWatch(s), s.newHTTP2()
	if s.BaseContext != nil {
		if s.base = s.BaseContext(addrListener{l.Addr()}); s.base == nil {
			l.Close()
			panic("asynchttp: BaseContext returned a nil context")
		}
	}
	return l.Addr(), nil
}

// Serve is Start, and then waits until the server has ended; it returns
// [http.ErrServerClosed] then. When the running task is cancelled, or ctx ends,
// it closes the server and returns that error.
func (s *Server) Serve(ctx context.Context, network, address string, opts ...asyncio.ServerOption) error {
	if _, err := s.Start(ctx, network, address, opts...); err != nil {
		return err
	}
	if err := s.wait(ctx); err != nil {
		s.Close()
		return err
	}
	return http.ErrServerClosed
}

// Addr returns the address of the listener; nil before the start.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// wait suspends the running task until the server has ended.
func (s *Server) wait(ctx context.Context) error {
	if s.ending && s.conns.Len() == 0 {
		return nil
	}
	f := asyncio.NewFuture[struct{}](s.loop)
	s.ended = append(s.ended, f)
	_, err := f.Await(ctx)
	return err
}

// RegisterOnShutdown has f called by [Server.Shutdown], in a task of its own,
// so f may wait. It is for what a server does not wait for: hijacked
// connections, event streams.
func (s *Server) RegisterOnShutdown(f func()) { s.onShutdown = append(s.onShutdown, f) }

// shutdownLook is how long a connection lies idle before Shutdown closes it: a
// request may have come that its task was not told of yet.
const shutdownLook = time.Millisecond

// Shutdown ends the server gently: it closes the listener and the idle
// connections, and waits until the others have answered what they are at. A
// request that was sent before is served. When ctx ends, or the task is
// cancelled, it closes what is left and returns that error. Hijacked
// connections are not waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.listener == nil {
		s.ending = true
		return nil
	}
	s.stop()
	for _, f := range s.onShutdown {
		asyncio.CreateTaskOn(s.loop, func(context.Context) (struct{}, error) {
			f()
			return struct{}{}, nil
		}, asyncio.WithName("asynchttp: on shutdown"))
	}
	s.onShutdown = nil
	s.loop.CallLater(shutdownLook, s.closeIdle)
	if err := s.wait(ctx); err != nil {
		s.Close()
		return fmt.Errorf("asynchttp: shutdown: %w", err)
	}
	return nil
}

// closeIdle closes the connections on which no request has come.
func (s *Server) closeIdle() {
	for e := s.conns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*serverConn)
		if c.http2 != nil {
			c.http2.Shutdown()
			continue
		}
		if !c.idle {
			continue
		}
		if c.requestWaits() {
			c.reads.Set(drainTime) // for the rest of it
		} else {
			c.fail(http.ErrServerClosed)
		}
	}
}

// Close ends the server at once: handlers that wait get a cancellation, and
// their connections are closed. It does not wait for them.
func (s *Server) Close() error {
	if s.listener == nil {
		s.ending = true
		return nil
	}
	s.closed = true
	s.stop()
	for e := s.conns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*serverConn)
		if c.http2 != nil {
			c.http2.Close()
			continue
		}
		c.fail(http.ErrServerClosed)
		c.task.CancelCause(http.ErrServerClosed)
	}
	return nil
}

// stop takes no more connections.
func (s *Server) stop() {
	s.ending = true
	s.listener.Close()
	s.settle()
}

// forget drops a connection that has ended or is not ours any more.
func (s *Server) forget(c *serverConn) {
	if c.place != nil {
		s.conns.Remove(c.place)
		c.place = nil
	}
	s.settle()
}

func (s *Server) settle() {
	if !s.ending || s.conns.Len() > 0 {
		return
	}
	for _, f := range s.ended {
		if !f.Done() {
			f.SetResult(struct{}{})
		}
	}
	s.ended = nil
}

func (s *Server) handler() http.Handler {
	if s.Handler != nil {
		return s.Handler
	}
	return http.DefaultServeMux
}
