//go:build linux

package epoll

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// packet is a datagram socket.
//
// A datagram socket is told of room each time that something it has sent has
// arrived, so room is asked for only when there was none.
type packet struct {
	d             *Driver
	fd            int // -1: closed
	family        int
	local, remote net.Addr // remote: nil when not connected
	node          *node    // of a unix socket, to remove; or nil
	full          bool     // WriteTo found no room; events of room are asked for
}

// OpenPacket implements [driver.Driver].
func (d *Driver) OpenPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	at := spec.Local
	if at == nil {
		at = spec.Remote
	}
	_, family, err := packetSockaddr(at)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &packet{d: d, fd: fd, family: family, remote: spec.Remote}
	if err := p.open(spec, at, h); err != nil {
		p.node.remove()
		_ = unix.Close(fd)
		return nil, err
	}
	return p.batching(true), nil
}

func (p *packet) open(spec driver.PacketSpec, at net.Addr, h driver.Handler) error {
	if err := p.setOptions(spec); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := runControl(spec.Control, p.fd, p.family, at); err != nil {
		return err
	}
	if spec.Local != nil {
		sa, _, _ := packetSockaddr(spec.Local) // which OpenPacket has looked at
		if err := bind(p.fd, sa, unix.SOCK_DGRAM); err != nil {
			return os.NewSyscallError("bind", err)
		}
		p.node = nodeOf(spec.Local)
	}
	if spec.Remote != nil {
		sa, err := p.sockaddr(spec.Remote)
		if err != nil {
			return err
		}
		if err := unix.Connect(p.fd, sa); err != nil {
			return os.NewSyscallError("connect", err)
		}
	}
	if sa, err := unix.Getsockname(p.fd); err == nil {
		p.local = packetAddr(sa)
	}
	return p.d.watch(p.fd, h, unix.EPOLLIN)
}

func (p *packet) setOptions(spec driver.PacketSpec) error {
	if p.family == unix.AF_UNIX {
		return nil
	}
	for _, o := range []struct {
		level, name int
		on, set     bool
	}{
		{unix.SOL_SOCKET, unix.SO_BROADCAST, true, spec.Broadcast},
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, true, spec.ReuseAddr},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, true, spec.ReusePort},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, spec.V6Only, p.family == unix.AF_INET6},
	} {
		value := 0
		if o.on {
			value = 1
		}
		if o.set {
			if err := unix.SetsockoptInt(p.fd, o.level, o.name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// sockaddr returns the kernel's form of an address that can be sent to.
func (p *packet) sockaddr(to net.Addr) (unix.Sockaddr, error) {
	if _, ok := to.(*net.TCPAddr); ok {
		return nil, &net.AddrError{Err: "not an address of a datagram socket", Addr: to.String()}
	}
	return Sockaddr(to, p.family)
}

// ReadFrom implements [driver.PacketConn].
func (p *packet) ReadFrom(b []byte) (int, net.Addr, error) {
	if p.fd < 0 {
		return 0, nil, net.ErrClosed
	}
	for {
		n, sa, err := unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, nil, failure("recvfrom", err)
		case p.remote != nil:
			return n, p.remote, nil
		default:
			return n, packetAddr(sa), nil
		}
	}
}

var errNoReceiver = fmt.Errorf("send to nobody from a socket that is not connected: %w", syscall.EDESTADDRREQ)

// WriteTo implements [driver.PacketConn].
func (p *packet) WriteTo(b []byte, to net.Addr) (int, error) {
	if p.fd < 0 {
		return 0, net.ErrClosed
	}
	var sa unix.Sockaddr
	err := p.sendable(to)
	if err == nil && to != nil {
		sa, err = p.sockaddr(to)
	}
	if err != nil {
		return 0, err
	}
	if err := p.wrote(p.send(b, sa)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// sendable returns what is wrong with sending to an address because the socket is
// connected, or is not.
func (p *packet) sendable(to net.Addr) error {
	switch {
	case p.remote != nil && to != nil:
		return fmt.Errorf("send to %v from a socket that is connected: %w", to, syscall.EISCONN)
	case p.remote == nil && to == nil:
		return errNoReceiver
	}
	return nil
}

// wrote takes note of how a send has ended, and returns the error as the caller is to
// see it.
func (p *packet) wrote(err error) error {
	if err == unix.EAGAIN {
		if err := p.wantRoom(true); err != nil {
			return err
		}
		return driver.ErrWouldBlock
	}
	if p.full {
		if err := p.wantRoom(false); err != nil {
			return err
		}
	}
	return os.NewSyscallError("sendto", err)
}

func (p *packet) send(b []byte, to unix.Sockaddr) error {
	for {
		var err error
		if to == nil {
			_, err = unix.SendmsgN(p.fd, b, nil, nil, unix.MSG_DONTWAIT)
		} else {
			err = unix.Sendto(p.fd, b, unix.MSG_DONTWAIT, to)
		}
		if err != unix.EINTR {
			return err
		}
	}
}

// wantRoom asks for events of room, or for none.
func (p *packet) wantRoom(yes bool) error {
	if p.full == yes {
		return nil
	}
	var events uint32 = unix.EPOLLIN
	if yes {
		events |= unix.EPOLLOUT
	}
	if err := p.d.rewatch(p.fd, events|unix.EPOLLET); err != nil {
		return err
	}
	p.full = yes
	return nil
}

// Close implements [driver.PacketConn].
func (p *packet) Close() error {
	if p.fd < 0 {
		return net.ErrClosed
	}
	fd := p.fd
	p.fd = -1
	p.d.unwatch(fd)
	p.node.remove()
	return os.NewSyscallError("close", unix.Close(fd))
}

// LocalAddr implements [driver.PacketConn].
func (p *packet) LocalAddr() net.Addr { return p.local }

// RemoteAddr implements [driver.PacketConn].
func (p *packet) RemoteAddr() net.Addr { return p.remote }

// SyscallConn implements [driver.PacketConn].
func (p *packet) SyscallConn() (syscall.RawConn, error) {
	if p.fd < 0 {
		return nil, net.ErrClosed
	}
	return &rawConn{func() int { return p.fd }}, nil
}
