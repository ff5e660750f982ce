package asyncio

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/sockopt"
)

// A DatagramOption is an option of [Loop.CreateDatagramEndpoint].
type DatagramOption interface{ applyDatagram(*datagramOptions) }

type datagramOptions struct {
	local, remote *string
	broadcast     bool
	reusePort     bool
	groups        []multicastGroup
	control       func(network, address string, c syscall.RawConn) error
	resolver      Resolver
	conn          net.PacketConn
}

type datagramOption func(*datagramOptions)

func (f datagramOption) applyDatagram(o *datagramOptions) { f(o) }

// resolving returns the options by which names are looked up.
func (o *datagramOptions) resolving() *streamOptions { return &streamOptions{resolver: o.resolver} }

// text names the endpoint, for messages.
func (o *datagramOptions) text(network string) net.Addr {
	switch {
	case o.conn != nil:
		return o.conn.LocalAddr()
	case o.remote != nil:
		return textAddr{network, *o.remote}
	case o.local != nil:
		return textAddr{network, *o.local}
	}
	return nil
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

// A socketOption is one of streams and of datagrams.
type socketOption struct {
	streamOption
	datagramOption
}

// WithControl makes f run on each new descriptor before it is connected or
// bound, as [net.Dialer.Control] does.
func WithControl(f func(network, address string, c syscall.RawConn) error) SocketOption {
	return socketOption{
		func(o *streamOptions) { o.control = f },
		func(o *datagramOptions) { o.control = f },
	}
}

// WithResolver makes r look host names up, in the loop's executor, instead of
// [net.DefaultResolver].
func WithResolver(r Resolver) LookupOption {
	return socketOption{
		func(o *streamOptions) { o.resolver = r },
		func(o *datagramOptions) { o.resolver = r },
	}
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

// WithLocalAddr makes a connection come from the address, or a datagram endpoint
// receive at it: a host and a port, "127.0.0.1:53", of which the host may be
// empty for any address of this machine and the port 0 for any; or the path of a
// unix socket. A host that is no IP address is looked up as the remote one is, and
// its addresses of the same family as that are taken. Python: local_addr=.
func WithLocalAddr(address string) LookupOption {
	return socketOption{
		func(o *streamOptions) { o.local = &address },
		func(o *datagramOptions) { o.local = &address },
	}
}

// WithRemoteAddr connects a datagram endpoint: it sends to the address and
// to no other, and hears from no other. The address is as that of
// [WithLocalAddr]. Python: remote_addr=.
func WithRemoteAddr(address string) DatagramOption {
	return datagramOption(func(o *datagramOptions) { o.remote = &address })
}

// WithBroadcast allows a datagram endpoint to send to a broadcast address.
// Python: allow_broadcast=.
func WithBroadcast() DatagramOption {
	return datagramOption(func(o *datagramOptions) { o.broadcast = true })
}

// WithMulticastGroup makes a datagram endpoint receive what is sent to the group
// on the interface ifi, or on one that the system chooses when that is nil. It
// may be given several times. Several endpoints may receive the same group at
// the same port. Python: setsockopt with IP_ADD_MEMBERSHIP.
func WithMulticastGroup(group netip.Addr, ifi *net.Interface) DatagramOption {
	return datagramOption(func(o *datagramOptions) {
		o.groups = append(o.groups, multicastGroup{group.Unmap(), ifi})
	})
}

// WithPacketConn makes the endpoint one over pc instead of opening a socket.
// The other options do nothing then, but for [WithMulticastGroup]. pc belongs
// to the loop from then on, also when that fails. On Linux it must be a
// [net.UDPConn], or a [net.UnixConn] of datagrams; the portable driver takes
// any. Python: sock=.
func WithPacketConn(pc net.PacketConn) DatagramOption {
	return datagramOption(func(o *datagramOptions) { o.conn = pc })
}

// A multicastGroup is one that an endpoint receives.
type multicastGroup struct {
	group netip.Addr
	ifi   *net.Interface // nil: the system chooses
}

func (g multicastGroup) join(conn driver.PacketConn) error {
	if !g.group.IsMulticast() {
		return &net.AddrError{Err: "not a multicast address", Addr: g.group.String()}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = sockopt.JoinGroup(fd, g.group, g.ifi) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("join the group %v: %w", g.group, err)
	}
	return nil
}
