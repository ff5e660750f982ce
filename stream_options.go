package asyncio

import (
	"context"
	"crypto/tls"
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

// A SocketOption is an option of whatever opens a socket.
type SocketOption interface {
	StreamOption
	DatagramOption
}

// A BindOption is an option of what receives at an address: a server, a
// datagram endpoint.
type BindOption interface {
	ServerOption
	DatagramOption
}

// A LookupOption is an option of what looks names up: a connection, a datagram
// endpoint.
type LookupOption interface {
	ConnOption
	DatagramOption
}

// A Resolver looks a host name up. The network is "ip", "ip4" or "ip6".
type Resolver func(ctx context.Context, network, host string) ([]netip.Addr, error)

type streamOptions struct {
	limit            int
	tls              *tls.Config
	handshakeTimeout time.Duration
	shutdownTimeout  time.Duration
	control          func(network, address string, c syscall.RawConn) error

	connectTimeout time.Duration
	eyeballsDelay  time.Duration
	local          net.Addr
	resolver       Resolver
	conn           net.Conn

	backlog    int
	reusePort  bool
	listener   net.Listener
	notServing bool
}

func defaultStreamOptions() streamOptions {
	return streamOptions{
		limit:            defaultLimit,
		handshakeTimeout: defaultHandshakeTimeout,
		shutdownTimeout:  defaultShutdownTimeout,
		connectTimeout:   NoTimeout,
		eyeballsDelay:    250 * time.Millisecond, // RFC 8305's recommendation
	}
}

type connOption func(*streamOptions)

func (f connOption) applyConn(o *streamOptions) { f(o) }

type serverOption func(*streamOptions)

func (f serverOption) applyServer(o *streamOptions) { f(o) }

type streamOption func(*streamOptions)

func (f streamOption) applyConn(o *streamOptions)   { f(o) }
func (f streamOption) applyServer(o *streamOptions) { f(o) }

// A LimitOption is what [WithLimit] gives.
type LimitOption int

func (n LimitOption) applyConn(o *streamOptions)     { o.limit = int(n) }
func (n LimitOption) applyServer(o *streamOptions)   { o.limit = int(n) }
func (n LimitOption) applyProcess(o *processOptions) { o.limit = int(n) }

// A socketOption is one of streams and of datagrams.
type socketOption struct {
	streamOption
	datagramOption
}

// WithLimit sets how long a line, or what [StreamReader.ReadUntil] reads, may
// be, in bytes, on connections and on the output of processes. Without it that
// is 64 KiB. Python: limit=.
func WithLimit(n int) LimitOption { return LimitOption(n) }

// WithTLS makes the connection one over TLS, or the server serve TLS. A client
// whose cfg has no ServerName gets that of the address. Python: ssl=,
// server_hostname=.
func WithTLS(cfg *tls.Config) StreamOption {
	return streamOption(func(o *streamOptions) { o.tls = cfg })
}

// WithTLSHandshakeTimeout bounds the TLS handshake. Without it that is a
// minute. Python: ssl_handshake_timeout=.
func WithTLSHandshakeTimeout(d time.Duration) StreamOption {
	return streamOption(func(o *streamOptions) { o.handshakeTimeout = d })
}

// WithTLSShutdownTimeout bounds how long a transport that is closed sends what
// was written and waits for the peer's close_notify. Without it that is half a
// minute. Streams do not wait for the peer. Python: ssl_shutdown_timeout=.
func WithTLSShutdownTimeout(d time.Duration) StreamOption {
	return streamOption(func(o *streamOptions) { o.shutdownTimeout = d })
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

// WithControl makes f run on each new descriptor before it is connected or
// bound, as [net.Dialer.Control] does.
func WithControl(f func(network, address string, c syscall.RawConn) error) SocketOption {
	return socketOption{
		func(o *streamOptions) { o.control = f },
		func(o *datagramOptions) { o.control = f },
	}
}

// WithConnectTimeout bounds all of [OpenConnection]: looking the name up,
// connecting and the TLS handshake. Without it only the last is bounded.
func WithConnectTimeout(d time.Duration) ConnOption {
	return connOption(func(o *streamOptions) { o.connectTimeout = d })
}

// WithLocalAddr makes the connection come from addr, a [*net.TCPAddr] or a
// [*net.UnixAddr]. Python: local_addr=.
func WithLocalAddr(addr net.Addr) ConnOption {
	return connOption(func(o *streamOptions) { o.local = addr })
}

// WithHappyEyeballsDelay sets how long an address has before the next one is
// tried beside it. Without it that is 250 milliseconds; a negative one tries
// them one after another. Python: happy_eyeballs_delay=.
func WithHappyEyeballsDelay(d time.Duration) ConnOption {
	return connOption(func(o *streamOptions) { o.eyeballsDelay = d })
}

// WithResolver makes r look host names up, in the loop's executor, instead of
// [net.DefaultResolver].
func WithResolver(r Resolver) LookupOption {
	return socketOption{
		func(o *streamOptions) { o.resolver = r },
		func(o *datagramOptions) { o.resolver = r },
	}
}

// WithBacklog sets how many connections wait to be accepted. Without it that is
// the system's most. Python: backlog=.
func WithBacklog(n int) ServerOption {
	return serverOption(func(o *streamOptions) { o.backlog = n })
}

// WithReusePort lets several servers listen on one port, or several datagram
// endpoints receive at it; the system deals the connections or the datagrams
// out. Python: reuse_port=.
func WithReusePort() BindOption {
	return socketOption{
		func(o *streamOptions) { o.reusePort = true },
		func(o *datagramOptions) { o.reusePort = true },
	}
}
