package asynchttp

import (
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Server runs an [http.Handler] on an asyncio loop: a coroutine for each
// connection, which serves its requests one after another. Its fields have the
// names they have in [http.Server].
//
// A handler runs on the loop's goroutine. It may call any function of asyncio
// with the request's context, and start tasks; while it waits, other
// connections are served. It must not block, and must not use the request or
// the ResponseWriter on another goroutine.
//
// The request's context ends when the server is closed, not when the client
// goes away: a connection on which nobody waits is not read. A handler whose
// client has gone learns of it when it writes.
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

	loop     *asyncio.Loop
	listener *asyncio.Server
	conns    list.List // of *serverConn, in the order in which they came
	ending   bool
	ended    []*asyncio.Future[struct{}] // who waits for the end
	wires    wires
	date     dateLine
}

// maxServerFields is what a MaxHeaderFields of zero means.
const maxServerFields = 5000

// Start listens and serves in the background, and gives the address: that of
// the listener, with its port. The network is "tcp", "tcp4", "tcp6" or "unix".
// It returns at once; the server ends with [Server.Close], [Server.Shutdown],
// or the loop. A server is started once; after its end it gives
// [http.ErrServerClosed].
func (s *Server) Start(ctx context.Context, network, address string, opts ...asyncio.ServerOption) (net.Addr, error) {
	switch {
	case s.ending:
		return nil, http.ErrServerClosed
	case s.listener != nil:
		return nil, fmt.Errorf("asynchttp: the server was started before: %w", asyncio.ErrInvalidState)
	}
	if s.TLSConfig != nil {
		cfg := s.TLSConfig.Clone()
		cfg.NextProtos = []string{"http/1.1"}
		opts = append(opts, asyncio.WithTLS(cfg))
	}
	l, err := asyncio.StartServer(ctx, network, address, s.serve, opts...)
	if err != nil {
		return nil, err
	}
	s.loop, s.listener = l.Loop(), l
	return l.Addr(), nil
}

// Serve is Start, and then waits until the server has ended; it gives
// [http.ErrServerClosed] then. When the running task is cancelled, or ctx ends,
// it closes the server and gives that error.
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

// Addr gives the address of the listener; nil before the start.
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

// Shutdown ends the server gently: it closes the listener and the idle
// connections at once, and waits until the others have answered what they are
// at. When ctx ends, or the task is cancelled, it closes what is left and gives
// that error. Hijacked connections are not waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.listener == nil {
		s.ending = true
		return nil
	}
	s.stop()
	for e := s.conns.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*serverConn); c.idle {
			c.fail(http.ErrServerClosed)
		}
	}
	if err := s.wait(ctx); err != nil {
		s.Close()
		return fmt.Errorf("asynchttp: shutdown: %w", err)
	}
	return nil
}

// Close ends the server at once: handlers that wait get a cancellation, and
// their connections are closed. It does not wait for them.
func (s *Server) Close() error {
	if s.listener == nil {
		s.ending = true
		return nil
	}
	s.stop()
	for e := s.conns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*serverConn)
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
