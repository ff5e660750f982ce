package asynchttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
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
}

// Start listens and serves in the background, and gives the address: that of
// the listener, with its port. The network is "tcp", "tcp4", "tcp6" or "unix".
// It returns at once; the server ends with [Server.Close], [Server.Shutdown],
// or the loop.
func (s *Server) Start(ctx context.Context, network, address string) (net.Addr, error) {
	panic("asynchttp: not there yet")
}

// Serve is Start, and then waits until the server has ended; it gives
// [http.ErrServerClosed] then. When the running task is cancelled, it closes
// the server and gives the cancellation.
func (s *Server) Serve(ctx context.Context, network, address string) error {
	panic("asynchttp: not there yet")
}

// Shutdown ends the server gently: it closes the listener and the idle
// connections at once, and waits until the others have answered what they are
// at. When ctx ends, or the task is cancelled, it closes what is left and gives
// that error.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Close ends the server at once: handlers that wait get a cancellation, and
// their connections are closed.
func (s *Server) Close() error { return nil }
