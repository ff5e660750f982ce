//go:build linux

package epoll

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// conn is a stream socket. There may be very many, so it is kept small: an
// address that the kernel gave becomes one of Go's when somebody asks for it.
type conn struct {
	d          *Driver
	fd         int // -1: closed
	local      net.Addr
	remote     any // a net.Addr or a unix.Sockaddr
	connecting bool
	shut       bool // CloseWrite was called
}

const streamEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP

// Dial implements [driver.Driver].
func (d *Driver) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	sa, family, err := sockaddr(spec.Remote)
	if err != nil {
		return nil, err
	}
	fd, err := newStreamSocket(family, spec.Remote, spec.Control)
	if err != nil {
		return nil, err
	}
	c := &conn{d: d, fd: fd, remote: spec.Remote, connecting: true}
	if err := c.connect(sa, family, spec.Local); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := d.watch(fd, h, streamEvents); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *conn) connect(sa unix.Sockaddr, family int, local net.Addr) error {
	if local != nil {
		lsa, lfamily, err := sockaddr(local)
		if err != nil {
			return err
		}
		if lfamily != family {
			return &net.AddrError{Err: "the local address is of another family than the remote one", Addr: local.String()}
		}
		if err := unix.Bind(c.fd, lsa); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	for {
		switch err := unix.Connect(c.fd, sa); err {
		case nil, unix.EINPROGRESS, unix.EALREADY:
			return nil
		case unix.EINTR:
		default:
			return os.NewSyscallError("connect", err)
		}
	}
}

// Start implements [driver.Conn].
func (c *conn) Start(h driver.Handler) error { return c.d.watch(c.fd, h, streamEvents) }

// ConnectError implements [driver.Conn].
func (c *conn) ConnectError() error {
	if c.fd < 0 {
		return net.ErrClosed
	}
	if !c.connecting {
		return nil
	}
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return os.NewSyscallError("connect", syscall.Errno(code))
	}
	sa, err := unix.Getpeername(c.fd)
	if err == unix.ENOTCONN {
		return driver.ErrWouldBlock // a spurious event
	}
	if err != nil {
		return os.NewSyscallError("getpeername", err)
	}
	c.connecting = false
	if a := netAddr(sa); a != nil {
		c.remote = a
	}
	return nil
}

// Read implements [driver.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := read(c.fd, p)
	if err != nil {
		return 0, failure("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [driver.Conn].
func (c *conn) Write(p []byte) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := write(c.fd, p)
	return n, failure("write", err)
}

// Writev implements [driver.Conn].
func (c *conn) Writev(p [][]byte) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) > maxIovecs {
		p = p[:maxIovecs]
	}
	for {
		n, err := unix.Writev(c.fd, p)
		if err != unix.EINTR {
			return max(n, 0), failure("writev", err)
		}
	}
}

const maxIovecs = 1024 // IOV_MAX

// CloseWrite implements [driver.Conn].
func (c *conn) CloseWrite() error {
	if c.fd < 0 {
		return net.ErrClosed
	}
	if c.shut {
		return nil // the system gives ENOTCONN when the peer's half has ended too
	}
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		return os.NewSyscallError("shutdown", err)
	}
	c.shut = true
	return nil
}

// Close implements [driver.Conn].
func (c *conn) Close() error {
	if c.fd < 0 {
		return net.ErrClosed
	}
	fd := c.fd
	c.LocalAddr() // while it can still be asked for
	c.fd = -1
	c.d.unwatch(fd)
	return os.NewSyscallError("close", unix.Close(fd))
}

// Reset implements [driver.Conn].
func (c *conn) Reset() {
	if c.fd >= 0 {
		// Where there is no lingering (a unix socket), closing drops all anyway.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
}

// Discard implements [driver.Conn].
func (c *conn) Discard(buf []byte) {
	for n := 0; n < driver.DiscardLimit; n += len(buf) {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// LocalAddr implements [driver.Conn].
func (c *conn) LocalAddr() net.Addr {
	if c.local == nil && c.fd >= 0 {
		if sa, err := unix.Getsockname(c.fd); err == nil {
			c.local = netAddr(sa)
		}
	}
	return c.local
}

// RemoteAddr implements [driver.Conn].
func (c *conn) RemoteAddr() net.Addr {
	switch remote := c.remote.(type) {
	case net.Addr:
		return remote
	case unix.Sockaddr:
		a := netAddr(remote)
		c.remote = a
		return a
	}
	return nil
}

// SyscallConn implements [driver.Conn].
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if c.fd < 0 {
		return nil, net.ErrClosed
	}
	return &rawConn{&c.fd}, nil
}

// failure names what failed, but for what is not a failure.
func failure(call string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EAGAIN:
		return driver.ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

// rawConn gives access to a descriptor while it is open.
type rawConn struct{ fd *int }

func (r *rawConn) Control(f func(fd uintptr)) error {
	if *r.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(*r.fd))
	return nil
}

// Read calls f once: it cannot wait.
func (r *rawConn) Read(f func(fd uintptr) bool) error { return r.once(f) }

// Write calls f once: it cannot wait.
func (r *rawConn) Write(f func(fd uintptr) bool) error { return r.once(f) }

func (r *rawConn) once(f func(fd uintptr) bool) error {
	if *r.fd < 0 {
		return net.ErrClosed
	}
	if !f(uintptr(*r.fd)) {
		return driver.ErrWouldBlock
	}
	return nil
}
