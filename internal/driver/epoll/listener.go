//go:build linux

package epoll

import (
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// listener is a listening socket.
type listener struct {
	d    *Driver
	fd   int // -1: closed
	addr net.Addr
	node *node // of a unix socket, to remove; or nil
	tcp  bool
	from net.Listener // what FromListener took over, or nil
	peer rawPeer      // of the connection that was accepted last
	ends *ends        // of all that it accepts; nil: it listens on all addresses of the machine
	lent bool         // others have had the descriptor, and what it accepts has the options they have set

	delay delayOption
}

// A delayOption is what a listener knows of TCP_NODELAY on what it accepts.
type delayOption uint8

const (
	delayUnknown   delayOption = iota
	delayInherited             // the system has set it: the listener has it
	delayToBeSet
)

// Listen implements [driver.Driver].
func (d *Driver) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	sa, family, err := sockaddr(spec.Addr)
	if err != nil {
		return nil, err
	}
	fd, err := newStreamSocket(family, spec.Addr, spec.Control)
	if err != nil {
		return nil, err
	}
	l := &listener{d: d, fd: fd, addr: spec.Addr, tcp: family != unix.AF_UNIX, lent: spec.Control != nil}
	if err := l.listen(sa, family, spec, h); err != nil {
		l.node.remove()
		_ = unix.Close(fd)
		return nil, err
	}
	return l, nil
}

func (l *listener) listen(sa unix.Sockaddr, family int, spec driver.ListenSpec, h driver.Handler) error {
	if family != unix.AF_UNIX {
		if err := l.setOptions(family, spec); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := bind(l.fd, sa, unix.SOCK_STREAM); err != nil {
		return os.NewSyscallError("bind", err)
	}
	backlog := spec.Backlog
	if backlog <= 0 {
		backlog = 65535 // the kernel takes no more than net.core.somaxconn
	}
	if err := unix.Listen(l.fd, backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if bound, err := unix.Getsockname(l.fd); err == nil {
		if a := netAddr(bound); a != nil {
			l.addr = a
		}
	}
	l.node = nodeOf(l.addr)
	l.noteEnds()
	return l.d.watch(l.fd, h, unix.EPOLLIN)
}

// noteEnds notes what is known of the connections that will be accepted.
func (l *listener) noteEnds() {
	if a, ok := l.addr.(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
		l.ends = &ends{local: a, common: true}
	}
}

func (l *listener) setOptions(family int, spec driver.ListenSpec) error {
	if err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if spec.ReusePort {
		if err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	if family == unix.AF_INET6 {
		only := 0
		if spec.V6Only {
			only = 1
		}
		return unix.SetsockoptInt(l.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	return nil
}

// Accept implements [driver.Listener].
func (l *listener) Accept() (driver.Conn, error) {
	if l.fd < 0 {
		return nil, net.ErrClosed
	}
	for {
		c, err := l.accept()
		switch err {
		case nil:
			return c, nil
		case unix.EINTR, unix.ECONNABORTED:
			// the peer has gone before it was served
		default:
			return nil, failure("accept", err)
		}
	}
}

func (l *listener) accept() (*conn, error) {
	if l.tcp {
		fd, err := accept(l.fd, &l.peer)
		if err != nil {
			return nil, err
		}
		l.sendAtOnce(fd)
		return &conn{d: l.d, fd: int32(fd), lent: l.lent, peer: l.peer.parse(), ends: l.ends}, nil
	}
	fd, sa, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil, err
	}
	e := &ends{local: l.addr, remote: netAddr(sa), asked: true} // the kernel's form of l.addr is longer
	return &conn{d: l.d, fd: int32(fd), lent: l.lent, ends: e}, nil
}

// sendAtOnce makes a connection that was accepted send at once what is small. It has
// that of the listener, as a rule: the first one tells, where all are TCP's own.
func (l *listener) sendAtOnce(fd int) {
	if l.delay == delayUnknown {
		l.delay = delayToBeSet
		protocol, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if err == nil && protocol == unix.IPPROTO_TCP {
			if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err == nil && on != 0 {
				l.delay = delayInherited
			}
		}
	}
	if l.delay == delayToBeSet {
		setNoDelay(fd)
	}
}

// Close implements [driver.Listener]. It removes a unix socket's node, if it is
// still the one that Listen made.
func (l *listener) Close() error {
	if l.fd < 0 {
		return net.ErrClosed
	}
	fd := l.fd
	l.fd = -1
	l.d.unwatch(fd)
	l.node.remove()
	if l.from != nil {
		_ = l.from.Close() // which removes the node, if that is its way
	}
	return os.NewSyscallError("close", unix.Close(fd))
}

// Addr implements [driver.Listener].
func (l *listener) Addr() net.Addr { return l.addr }

// SyscallConn implements [driver.Listener].
func (l *listener) SyscallConn() (syscall.RawConn, error) {
	if l.fd < 0 {
		return nil, net.ErrClosed
	}
	l.lent, l.delay = true, delayToBeSet
	return &rawConn{func() int { return l.fd }}, nil
}
