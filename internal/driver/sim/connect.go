package sim

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
)

// A SYN that is not answered is sent again after a second, two, four and so on; after
// maxSyns of them the connection has timed out.
const (
	firstSyn = time.Second
	maxSyns  = 7
)

// Dial implements [driver.Driver].
func (d *Driver) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	if err := d.mayOpen("socket"); err != nil {
		return nil, err
	}
	switch remote := spec.Remote.(type) {
	case *net.UnixAddr:
		return d.dialUnix(spec, remote, h)
	case *net.TCPAddr:
		return d.dialTCP(spec, h)
	}
	return nil, net.UnknownNetworkError(fmt.Sprintf("of the address %v", spec.Remote))
}

func (d *Driver) dialTCP(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	to, err := endpointOf(spec.Remote)
	if err != nil {
		return nil, err
	}
	if ip := to.Addr(); ip.IsUnspecified() { // all of this machine: its loopback
		loopback := netip.IPv6Loopback()
		if ip.Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		to = netip.AddrPortFrom(loopback, to.Port())
	}
	from := netip.AddrPortFrom(d.machine.source(to.Addr()), 0)
	if spec.Local != nil {
		if from, err = endpointOf(spec.Local); err != nil {
			return nil, err
		}
		switch ip := from.Addr(); {
		case ip.Is4() != to.Addr().Is4():
			return nil, os.NewSyscallError("bind", syscall.EINVAL)
		case ip.IsUnspecified():
			from = netip.AddrPortFrom(d.machine.source(to.Addr()), from.Port())
		case !d.machine.has(ip):
			return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
		}
	}
	if err := control(spec.Control, family("tcp", to.Addr()), spec.Remote); err != nil {
		return nil, err
	}
	if from.Port() == 0 {
		port, err := d.ephemeral()
		if err != nil {
			return nil, os.NewSyscallError("connect", err)
		}
		from = netip.AddrPortFrom(from.Addr(), port)
	}
	d.net.conns++
	c := &conn{id: d.net.conns, state: connecting, port: from.Port(), src: from, dst: to}
	d.usePort(from.Port())
	d.addConn(c, h)
	d.net.world.Trace(Dial, d.machine.ID, c.id, uint64(to.Port()))
	(&syn{c: c, again: firstSyn}).send()
	return c, nil
}

// A syn is the beginning of a connection, under way.
type syn struct {
	c     *conn
	again time.Duration
	sent  int

	retry heap.Node[Event]
}

// send sends it, and makes it sent again.
func (s *syn) send() {
	n, m := s.c.d.net, s.c.d.machine
	if s.sent++; s.sent > maxSyns {
		n.world.Trace(TimedOut, m.ID, s.c.id, 0)
		s.c.fail(syscall.ETIMEDOUT)
		return
	}
	s.retry.Value = s
	n.schedule(n.now+s.again, &s.retry)
	s.again *= 2
	target := m.at(s.c.dst.Addr())
	if target == nil {
		return // into nothing
	}
	if len(n.rules) > 0 {
		switch n.ruled(s.c.ofConn(target, FlagSyn, nil), func() { s.convey(target) }) {
		case Drop:
			s.c.recorded(target, Never, FlagSyn, 0, nil)
			return
		case Hold:
			return
		}
	}
	s.convey(target)
}

// Happen sends it again, where that is still of use.
func (s *syn) Happen() {
	if c := s.c; c.state == connecting && !c.closed && !c.d.dead {
		c.d.net.world.Trace(Lost, c.d.machine.ID, c.id, uint64(s.sent))
		s.send()
	}
}

// convey gives it to the link.
func (s *syn) convey(target *Machine) {
	n := target.net
	if s.c.d.dead {
		return
	}
	link := n.Link(s.c.d.machine, target)
	if link.loses(n) {
		s.c.recorded(target, Never, FlagSyn, 0, nil)
		return
	}
	at := link.arrival(n, 0)
	s.c.recorded(target, at, FlagSyn, 0, nil)
	a := &synArrival{s: s, target: target}
	a.node.Value = a
	n.schedule(at, &a.node)
}

// A synArrival is a syn that reaches a machine.
type synArrival struct {
	s      *syn
	target *Machine
	node   heap.Node[Event]
}

// Happen is what that machine does.
func (a *synArrival) Happen() {
	s, at := a.s, a.target
	c := s.c
	d := at.up
	if d == nil {
		return
	}
	if c.peer == nil {
		l := d.listenerFor(c.dst)
		if l != nil && len(l.waiting) >= l.backlog {
			return // it will be sent again
		}
		if l == nil {
			s.answer(at, FlagRst|FlagAck)
			return
		}
		p := &conn{id: c.id, state: established, src: c.dst, dst: c.src, peer: c}
		c.peer = p
		l.queue(p)
	}
	s.answer(at, FlagSyn|FlagAck)
}

// answer sends something back.
func (s *syn) answer(from *Machine, flags Flags) {
	n := from.net
	if len(n.rules) > 0 {
		p := Packet{Sent: n.now, From: from, To: s.c.d.machine, Src: s.c.dst, Dst: s.c.src, Conn: s.c.id, Flags: flags}
		if n.ruled(p, func() { s.conveyAnswer(from, flags) }) != Pass {
			return
		}
	}
	s.conveyAnswer(from, flags)
}

// conveyAnswer gives it to the link.
func (s *syn) conveyAnswer(from *Machine, flags Flags) {
	n, at := from.net, Never
	if link := n.Link(from, s.c.d.machine); !link.loses(n) {
		at = link.arrival(n, 0)
		a := &synAnswer{s: s, refused: flags&FlagRst != 0}
		a.node.Value = a
		n.schedule(at, &a.node)
	}
	if n.record != nil {
		n.record(Packet{Sent: n.now, Arrives: at, From: from, To: s.c.d.machine, Src: s.c.dst, Dst: s.c.src, Conn: s.c.id, Flags: flags, Ack: 1})
	}
}

// A synAnswer is what comes back.
type synAnswer struct {
	s       *syn
	refused bool
	node    heap.Node[Event]
}

// Happen is what the machine does that has dialled.
func (a *synAnswer) Happen() {
	c := a.s.c
	if c.d.dead || c.state != connecting {
		return
	}
	world, port := c.d.net.world, uint64(c.dst.Port())
	switch {
	case a.refused:
		world.Trace(Refuse, c.d.machine.ID, c.id, port)
		c.fail(syscall.ECONNREFUSED)
	case c.closed: // it has gone meanwhile
		c.sendReset()
	default:
		world.Trace(Connect, c.d.machine.ID, c.id, port)
		c.state = established
		c.tell(driver.Writable)
	}
}
