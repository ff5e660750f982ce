package asyncio

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A ConnOption is an option of [OpenConnection] and [Loop.CreateConnection].
type ConnOption interface{ applyConn(*streamOptions) }

// A ServerOption is an option of [StartServer] and [Loop.CreateServer].
type ServerOption interface{ applyServer(*streamOptions) }

// A StreamOption is an option of connections and of servers.
type StreamOption interface {
	ConnOption
	ServerOption
}

// A Resolver looks a host name up. The network is "ip", "ip4" or "ip6".
type Resolver func(ctx context.Context, network, host string) ([]netip.Addr, error)

type streamOptions struct {
	limit            int
	tls              *tls.Config
	handshakeTimeout time.Duration
	shutdownTimeout  time.Duration
	control          func(network, address string, c syscall.RawConn) error

	forTLS    error  // what is wrong with an option of TLS, but for TLS itself
	tlsOption string // one that was given; "": none

	connectTimeout time.Duration
	eyeballsDelay  time.Duration
	local          *string // where connections come from; nil: any
	resolver       Resolver
	conn           net.Conn

	backlog    int
	reusePort  bool
	listener   net.Listener
	notServing bool
}

func defaultStreamOptions() streamOptions {
	return streamOptions{
		handshakeTimeout: defaultHandshakeTimeout,
		shutdownTimeout:  defaultShutdownTimeout,
		connectTimeout:   NoTimeout,
		eyeballsDelay:    250 * time.Millisecond, // RFC 8305's recommendation
	}
}

func newServerOptions(opts []ServerOption) streamOptions {
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyServer(&o)
	}
	return o
}

// onlyWithTLS notes an option that means something only with WithTLS.
func (o *streamOptions) onlyWithTLS(option string, d time.Duration) {
	o.tlsOption = option
	if d <= 0 {
		o.forTLS = fmt.Errorf("%s: %v is not positive: %w", option, d, fs.ErrInvalid)
	}
}

// check returns what is wrong with the options together.
func (o *streamOptions) check() error {
	if o.tls == nil && o.tlsOption != "" {
		return fmt.Errorf("%s is only meaningful with WithTLS: %w", o.tlsOption, fs.ErrInvalid)
	}
	return o.forTLS
}

// letGo closes what was given to the loop, when that does not come to take it.
func (o *streamOptions) letGo() {
	if o.conn != nil {
		_ = o.conn.Close()
	}
	if o.listener != nil {
		_ = o.listener.Close()
	}
}

type connOption func(*streamOptions)

func (f connOption) applyConn(o *streamOptions) { f(o) }

type serverOption func(*streamOptions)

func (f serverOption) applyServer(o *streamOptions) { f(o) }

type streamOption func(*streamOptions)

func (f streamOption) applyConn(o *streamOptions)   { f(o) }
func (f streamOption) applyServer(o *streamOptions) { f(o) }

// WithTLS makes the connection one over TLS, or the server serve TLS. A client
// whose cfg has no ServerName gets that of the address. Python: ssl=,
// server_hostname=.
func WithTLS(cfg *tls.Config) StreamOption {
	return streamOption(func(o *streamOptions) { o.tls = cfg })
}

// WithTLSHandshakeTimeout bounds the TLS handshake. Without it that is a
// minute. It is an error without [WithTLS], or when d is not positive. Python: ssl_handshake_timeout=.
func WithTLSHandshakeTimeout(d time.Duration) StreamOption {
	return streamOption(func(o *streamOptions) {
		o.handshakeTimeout = d
		o.onlyWithTLS("WithTLSHandshakeTimeout", d)
	})
}

// WithTLSShutdownTimeout bounds how long a transport that is closed sends what
// was written and waits for the peer's close_notify. Without it that is half a
// minute. Streams do not wait for the peer. It is an error without [WithTLS], or
// when d is not positive. Python: ssl_shutdown_timeout=.
func WithTLSShutdownTimeout(d time.Duration) StreamOption {
	return streamOption(func(o *streamOptions) {
		o.shutdownTimeout = d
		o.onlyWithTLS("WithTLSShutdownTimeout", d)
	})
}

// WithConn makes the connection one over nc instead of connecting: the address
// only names the host, for TLS. nc belongs to the loop from then on, also when
// that fails. On Linux it must be a [net.TCPConn] or a [net.UnixConn]; the
// portable driver takes any. Python: sock=.
func WithConn(nc net.Conn) ConnOption {
	return connOption(func(o *streamOptions) { o.conn = nc })
}

// WithListener makes the server accept from ln instead of listening: the
// address is not looked at. ln belongs to the server from then on, also when
// that fails. On Linux it must be a [net.TCPListener] or a [net.UnixListener];
// the portable driver takes any. Python: sock=.
func WithListener(ln net.Listener) ServerOption {
	return serverOption(func(o *streamOptions) { o.listener = ln })
}

// WithoutServing makes a server that listens and accepts nothing until
// [Server.StartServing] or [Server.ServeForever]; who connects before that
// waits in the backlog. Python: start_serving=False.
func WithoutServing() ServerOption {
	return serverOption(func(o *streamOptions) { o.notServing = true })
}

// WithConnectTimeout bounds all of [OpenConnection]: looking the name up,
// connecting and the TLS handshake. Without it only the last is bounded.
func WithConnectTimeout(d time.Duration) ConnOption {
	return connOption(func(o *streamOptions) { o.connectTimeout = d })
}

// WithHappyEyeballsDelay sets how long an address has before the next one is
// tried beside it. Without it that is 250 milliseconds; a negative one tries
// them one after another. Python: happy_eyeballs_delay=.
func WithHappyEyeballsDelay(d time.Duration) ConnOption {
	return connOption(func(o *streamOptions) { o.eyeballsDelay = d })
}

// WithBacklog sets how many connections wait to be accepted. Without it that is
// the system's most. Python: backlog=.
func WithBacklog(n int) ServerOption {
	return serverOption(func(o *streamOptions) { o.backlog = n })
}
