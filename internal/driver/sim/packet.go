package sim

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

const (
	packetHead   = 28      // bytes of a datagram's heads
	maxDatagram  = 65507   // bytes
	packetBuffer = 1 << 18 // bytes that a socket keeps for a program that does not read
)

// A packetConn is a UDP socket.
type packetConn struct {
	handle
	local, remote netip.AddrPort // remote is zero when it is not connected
	v6only        bool
	shared        bool
	broadcast     bool
	in            []datagram
	bytes         int // of in
	refused       bool
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

var _ driver.PacketConn = (*packetConn)(nil)

// OpenPacket implements [driver.Driver].
func (d *Driver) OpenPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	if err := d.mayOpen("socket"); err != nil {
		return nil, err
	}
	if isUnix(spec.Local) || isUnix(spec.Remote) {
		return d.openUnixPacket(spec, h)
	}
	p := &packetConn{v6only: spec.V6Only, shared: spec.ReuseAddr || spec.ReusePort, broadcast: spec.Broadcast}
	for _, a := range []net.Addr{spec.Local, spec.Remote} {
		if _, ok := a.(*net.UDPAddr); !ok && a != nil {
			return nil, fmt.Errorf("datagrams at %v: %w", a, net.UnknownNetworkError(a.Network()))
		}
	}
	var err error
	if spec.Remote != nil {
		if p.remote, err = endpointOf(spec.Remote); err != nil {
			return nil, err
		}
		p.local = netip.AddrPortFrom(d.machine.source(p.remote.Addr()), 0)
	}
	if spec.Local != nil {
		if p.local, err = endpointOf(spec.Local); err != nil {
			return nil, err
		}
		if p.remote.IsValid() && p.local.Addr().IsUnspecified() {
			p.local = netip.AddrPortFrom(d.machine.source(p.remote.Addr()), p.local.Port())
		}
	}
	switch ip := p.local.Addr(); {
	case !p.local.IsValid():
		return nil, fmt.Errorf("datagrams need an address: %w", syscall.EDESTADDRREQ)
	case p.remote.IsValid() && p.remote.Addr().Is4() != ip.Is4():
		return nil, os.NewSyscallError("connect", syscall.EINVAL)
	case !d.machine.has(ip):
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if err := control(spec.Control, family("udp", p.local.Addr()), net.UDPAddrFromAddrPort(p.local)); err != nil {
		return nil, err
	}
	if p.local.Port() == 0 {
		port, err := d.ephemeral()
		if err != nil {
			return nil, os.NewSyscallError("bind", err)
		}
		p.local = netip.AddrPortFrom(p.local.Addr(), port)
	}
	for _, o := range d.packets[p.local.Port()] {
		if !(p.shared && o.shared) && (o.covers(p.local.Addr()) || p.covers(o.local.Addr())) {
			return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
	}
	d.packets[p.local.Port()] = append(d.packets[p.local.Port()], p)
	d.add(&p.handle, p, h)
	return p, nil
}

// covers reports whether the socket hears what is sent to an address.
func (p *packetConn) covers(ip netip.Addr) bool { return covers(p.local.Addr(), p.v6only, ip) }

// ReadFrom implements [driver.PacketConn].
func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	switch {
	case p.closed:
		return 0, nil, net.ErrClosed
	case p.refused:
		p.refused = false
		if len(p.in) > 0 {
			p.tell(driver.Readable)
		}
		return 0, nil, os.NewSyscallError("recvfrom", syscall.ECONNREFUSED)
	case len(p.in) == 0:
		return 0, nil, driver.ErrWouldBlock
	}
	g := p.in[0]
	p.in[0] = datagram{}
	p.in = p.in[1:]
	p.bytes -= len(g.data)
	if len(p.in) > 0 {
		p.tell(driver.Readable)
	}
	return copy(b, g.data), net.UDPAddrFromAddrPort(g.from), nil
}

// WriteTo implements [driver.PacketConn].
func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	target := p.remote
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case to != nil && target.IsValid():
		return 0, os.NewSyscallError("sendto", syscall.EISCONN)
	case to == nil && !target.IsValid():
		return 0, os.NewSyscallError("sendto", syscall.EDESTADDRREQ)
	case len(b) > maxDatagram:
		return 0, os.NewSyscallError("sendto", syscall.EMSGSIZE)
	case p.refused:
		p.refused = false
		return 0, os.NewSyscallError("sendto", syscall.ECONNREFUSED)
	}
	if to != nil {
		if _, ok := to.(*net.UDPAddr); !ok {
			return 0, fmt.Errorf("datagram to %v: %w", to, net.UnknownNetworkError(to.Network()))
		}
		var err error
		if target, err = endpointOf(to); err != nil {
			return 0, err
		}
	}
	ip := target.Addr()
	if own := p.local.Addr(); ip.Is4() != own.Is4() && (own != netip.IPv6Unspecified() || p.v6only) {
		return 0, os.NewSyscallError("sendto", syscall.EAFNOSUPPORT)
	}
	m := p.d.machine
	from := p.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(m.source(ip), from.Port())
	}
	g := datagram{data: slices.Clone(b), from: from}
	if toAll(ip) {
		if !p.broadcast {
			return 0, os.NewSyscallError("sendto", syscall.EACCES)
		}
		for _, o := range m.net.machines {
			if o == m || !ip.IsLoopback() {
				p.send(g, o, target)
			}
		}
		return len(b), nil
	}
	if o := m.at(ip); o != nil {
		if link := m.net.Link(m, o); link.MTU > 0 && link.TooLong == Refused && len(b)+packetHead > link.MTU {
			return 0, os.NewSyscallError("sendto", syscall.EMSGSIZE)
		}
		p.send(g, o, target)
	}
	return len(b), nil
}

// toAll reports whether what is sent there is for all machines, or all of one.
func toAll(ip netip.Addr) bool {
	return ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || ip == netip.AddrFrom4([4]byte{127, 255, 255, 255})
}

// send sends a datagram, which may get lost, or arrive twice.
func (p *packetConn) send(g datagram, to *Machine, target netip.AddrPort) {
	m := p.d.machine
	n := m.net
	if len(n.rules) > 0 {
		switch n.ruled(p.ofDatagram(g, to, target), func() { p.convey(g, to, target) }) {
		case Drop:
			n.world.Trace(Dropped, m.ID, uint64(target.Port()), uint64(len(g.data)))
			p.recorded(g, to, target, Never)
			return
		case Hold:
			return
		}
	}
	p.convey(g, to, target)
}

// convey gives a datagram to the link.
func (p *packetConn) convey(g datagram, to *Machine, target netip.AddrPort) {
	m := p.d.machine
	n := m.net
	link := n.Link(m, to)
	if link.loses(n) || link.MTU > 0 && link.fragmentLost(n, len(g.data)) {
		n.world.Trace(Dropped, m.ID, uint64(target.Port()), uint64(len(g.data)))
		p.recorded(g, to, target, Never)
		return
	}
	arrive := EventFunc(func() { p.arrive(g, to, target) })
	at := link.arrival(n, len(g.data))
	p.recorded(g, to, target, at)
	n.At(at, arrive)
	if link.Duplicate > 0 && n.world.Chance(link.Duplicate) {
		at = link.arrival(n, len(g.data))
		p.recorded(g, to, target, at)
		n.At(at, arrive)
	}
}

// arrive is what happens on the other machine.
func (p *packetConn) arrive(g datagram, at *Machine, target netip.AddrPort) {
	d := at.up
	if d == nil {
		return
	}
	n := at.net
	var found []*packetConn
	for _, o := range d.packets[target.Port()] {
		if (toAll(target.Addr()) && o.local.Addr().IsUnspecified() || o.covers(target.Addr())) && (!o.remote.IsValid() || o.remote == g.from) {
			found = append(found, o)
		}
	}
	switch {
	case len(found) == 0:
		p.refuse(at)
		return
	case len(found) > 1 && !toAll(target.Addr()):
		found = []*packetConn{found[n.world.Pick(len(found))]}
	}
	for _, o := range found {
		if o.bytes+len(g.data) > packetBuffer {
			n.world.Trace(Dropped, at.ID, uint64(target.Port()), uint64(len(g.data)))
			continue
		}
		n.world.Trace(Datagram, at.ID, uint64(target.Port()), digest(g.data))
		o.in = append(o.in, g)
		o.bytes += len(g.data)
		o.tell(driver.Readable)
	}
}

// refuse tells a connected socket that nobody is there.
func (p *packetConn) refuse(from *Machine) {
	n := from.net
	if !p.remote.IsValid() || p.d.dead {
		return
	}
	if link := n.Link(from, p.d.machine); !link.loses(n) {
		n.At(link.arrival(n, 0), EventFunc(func() {
			p.refused = true
			p.tell(driver.Readable)
		}))
	}
}

// Close implements [driver.PacketConn].
func (p *packetConn) Close() error {
	if err := p.shut(); err != nil {
		return err
	}
	port := p.local.Port()
	left := slices.DeleteFunc(p.d.packets[port], func(o *packetConn) bool { return o == p })
	if p.d.packets[port] = left; len(left) == 0 {
		delete(p.d.packets, port)
	}
	return nil
}

// LocalAddr implements [driver.PacketConn].
func (p *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.local) }

// RemoteAddr implements [driver.PacketConn].
func (p *packetConn) RemoteAddr() net.Addr {
	if !p.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(p.remote)
}
