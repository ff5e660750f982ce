package sim

import (
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// What a unix datagram socket takes, as on Linux.
const (
	maxUnixDatagram = 212960 // bytes of one
	unixBacklog     = 11     // datagrams that wait for a program that does not read
)

// unixgram is the kind of the arrival of a unix datagram.
var unixgram = NewKind("unixgram", OfNet, func(a, b uint64) string {
	return fmt.Sprintf("unix datagram of %d bytes, the %s that waits (%08x)", size(b), ordinal(a), sum(b))
})

// A unixPacket is a unix datagram socket. None of what it is sent is lost, and nothing
// overtakes anything: a sender waits for room.
type unixPacket struct {
	handle
	name   string // "": it has none
	node   any
	remote *net.UnixAddr // nil: it is not connected
	peer   *unixPacket   // of remote; nil: it has gone
	in     []unixDatagram
	full   []*unixPacket // those that are connected to it and found no room
}

type unixDatagram struct {
	data []byte
	from net.Addr // nil: a socket without a name
}

var _ driver.PacketConn = (*unixPacket)(nil)

func (d *Driver) openUnixPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	p := new(unixPacket)
	local, err := unixAddr(spec.Local)
	if err != nil {
		return nil, err
	}
	if p.remote, err = unixAddr(spec.Remote); err != nil {
		return nil, err
	}
	about := local
	if about == nil {
		about = p.remote
	}
	if err := control(spec.Control, "unixgram", about); err != nil {
		return nil, err
	}
	if p.remote != nil {
		if p.peer, err = d.findUnixPacket("connect", p.remote); err != nil {
			return nil, err
		}
	}
	if local != nil {
		p.name = local.Name
		if p.node, err = d.bindUnix(p.name, p); err != nil {
			return nil, err
		}
	}
	d.add(&p.handle, p, h)
	return p, nil
}

func isUnix(a net.Addr) bool {
	_, ok := a.(*net.UnixAddr)
	return ok
}

// unixAddr returns an address as that of a unix socket; nil stays nil.
func unixAddr(a net.Addr) (*net.UnixAddr, error) {
	if a == nil {
		return nil, nil
	}
	if u, ok := a.(*net.UnixAddr); ok {
		return &net.UnixAddr{Name: u.Name, Net: "unixgram"}, nil
	}
	return nil, fmt.Errorf("unix datagrams at %v: %w", a, net.UnknownNetworkError(a.Network()))
}

// findUnixPacket returns the socket at an address, for a call.
func (d *Driver) findUnixPacket(call string, at *net.UnixAddr) (*unixPacket, error) {
	found, err := d.findUnix(at.Name)
	if err != nil {
		return nil, os.NewSyscallError(call, err)
	}
	p, ok := found.(*unixPacket)
	if !ok {
		return nil, os.NewSyscallError(call, syscall.EPROTOTYPE)
	}
	return p, nil
}

// ReadFrom implements [driver.PacketConn].
func (p *unixPacket) ReadFrom(b []byte) (int, net.Addr, error) {
	switch {
	case p.closed:
		return 0, nil, net.ErrClosed
	case len(p.in) == 0:
		return 0, nil, driver.ErrWouldBlock
	}
	g := p.in[0]
	p.in[0] = unixDatagram{}
	if p.in = p.in[1:]; len(p.in) > 0 {
		p.tell(driver.Readable)
	}
	p.tellFull()
	return copy(b, g.data), g.from, nil
}

// tellFull tells those who have waited for room. Whoever is not connected to the socket
// is not told, as by the system.
func (p *unixPacket) tellFull() {
	all := p.full
	p.full = nil
	for _, o := range all {
		o.tell(driver.Writable)
	}
}

// WriteTo implements [driver.PacketConn].
func (p *unixPacket) WriteTo(b []byte, to net.Addr) (int, error) {
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case to != nil && p.remote != nil:
		return 0, os.NewSyscallError("sendto", syscall.EISCONN)
	case to == nil && p.remote == nil:
		return 0, os.NewSyscallError("sendto", syscall.EDESTADDRREQ)
	}
	target := p.peer
	if to != nil {
		at, err := unixAddr(to)
		if err != nil {
			return 0, err
		}
		if target, err = p.d.findUnixPacket("sendto", at); err != nil {
			return 0, err
		}
	}
	switch {
	case target == nil:
		return 0, os.NewSyscallError("sendto", syscall.ENOTCONN)
	case target.closed:
		p.peer = nil
		return 0, os.NewSyscallError("sendto", syscall.ECONNREFUSED)
	case len(b) > maxUnixDatagram:
		return 0, os.NewSyscallError("sendto", syscall.EMSGSIZE)
	case target.remote != nil && target.peer != p:
		return 0, os.NewSyscallError("sendto", syscall.EPERM)
	case len(target.in) >= unixBacklog:
		if target == p.peer && !slices.Contains(target.full, p) {
			target.full = append(target.full, p)
		}
		return 0, driver.ErrWouldBlock
	}
	target.in = append(target.in, unixDatagram{slices.Clone(b), p.LocalAddr()})
	p.d.net.world.Trace(unixgram, p.d.machine.ID, uint64(len(target.in)), digest(b))
	target.tell(driver.Readable)
	return len(b), nil
}

// Close implements [driver.PacketConn].
func (p *unixPacket) Close() error {
	if err := p.shut(); err != nil {
		return err
	}
	if p.node != nil {
		p.d.unbindUnix(p.name, p.node)
	}
	p.tellFull()
	p.in = nil
	return nil
}

// LocalAddr implements [driver.PacketConn].
func (p *unixPacket) LocalAddr() net.Addr {
	if p.name == "" {
		return nil
	}
	return &net.UnixAddr{Name: p.name, Net: "unixgram"}
}

// RemoteAddr implements [driver.PacketConn].
func (p *unixPacket) RemoteAddr() net.Addr {
	if p.remote == nil {
		return nil
	}
	return p.remote
}
