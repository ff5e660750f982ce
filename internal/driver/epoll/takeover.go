//go:build linux

package epoll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// FromConn implements [driver.Driver]. It takes a [net.TCPConn] or a
// [net.UnixConn] of a stream: these are their descriptors and nothing else.
func (d *Driver) FromConn(nc net.Conn) (driver.Conn, error) {
	defer nc.Close() // what goes on is a copy, which is not in Go's poller
	switch nc := nc.(type) {
	case *net.TCPConn:
	case *net.UnixConn:
		if nc.LocalAddr().Network() != "unix" {
			return nil, fmt.Errorf("take over a connection of %s: %w", nc.LocalAddr().Network(), errors.ErrUnsupported)
		}
	default:
		return nil, fmt.Errorf("take over a %T: only the connections of net have a descriptor of their own: %w", nc, errors.ErrUnsupported)
	}
	fd, err := duplicate(nc.(syscall.Conn))
	if err != nil {
		return nil, err
	}
	known := &ends{local: nc.LocalAddr(), remote: nc.RemoteAddr(), asked: true}
	return &conn{d: d, fd: int32(fd), lent: true, ends: known}, nil
}

// FromListener implements [driver.Driver]. It takes a [net.TCPListener] or a
// [net.UnixListener].
func (d *Driver) FromListener(ln net.Listener, h driver.Handler) (driver.Listener, error) {
	l := &listener{d: d, addr: ln.Addr(), from: ln}
	switch ln.(type) {
	case *net.TCPListener:
		l.tcp = true
	case *net.UnixListener:
	default:
		_ = ln.Close()
		return nil, fmt.Errorf("take over a %T: only the listeners of net have a descriptor of their own: %w", ln, errors.ErrUnsupported)
	}
	fd, err := duplicate(ln.(syscall.Conn))
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	l.fd = fd
	l.noteEnds()
	if linger, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER); err != nil || linger.Onoff != 0 {
		l.lent = true
	}
	if err := d.watch(fd, h, unix.EPOLLIN); err != nil {
		_ = unix.Close(fd)
		_ = ln.Close()
		return nil, err
	}
	return l, nil
}

// FromPacket implements [driver.Driver]. It takes a [net.UDPConn], or a
// [net.UnixConn] of datagrams.
func (d *Driver) FromPacket(pc net.PacketConn, h driver.Handler) (driver.PacketConn, error) {
	defer pc.Close() // what goes on is a copy, which is not in Go's poller
	p := &packet{d: d, local: pc.LocalAddr()}
	switch pc := pc.(type) {
	case *net.UDPConn:
		p.remote = pc.RemoteAddr()
	case *net.UnixConn:
		if network := pc.LocalAddr().Network(); network != "unixgram" {
			return nil, fmt.Errorf("take over a datagram socket of %s: %w", network, errors.ErrUnsupported)
		}
		p.remote = pc.RemoteAddr()
	default:
		return nil, fmt.Errorf("take over a %T: only the datagram sockets of net have a descriptor of their own: %w", pc, errors.ErrUnsupported)
	}
	fd, err := duplicate(pc.(syscall.Conn))
	if err != nil {
		return nil, err
	}
	p.fd = fd
	if p.family, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if err := d.watch(fd, h, unix.EPOLLIN); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return p.batching(false), nil
}

// duplicate copies the descriptor of c, to one that does not block.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	cerr := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(cerr, os.NewSyscallError("fcntl", err)); err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}
