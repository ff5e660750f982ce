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

// conn is a stream socket. There may be very many, so it is kept small: the
// addresses become Go's when somebody asks for them.
type conn struct {
	d          *Driver
	fd         int32 // -1: closed
	connecting bool
	shut       bool // CloseWrite was called
	lent       bool // others have had the descriptor: they may have a copy of it, or have set what they liked
	peer       peer // of a connection that was accepted
	ends       *ends
}

// ends is the addresses that are known of a connection.
type ends struct {
	local, remote net.Addr
	asked         bool // the system has said what local is: else it may be the listener's
	common        bool // all connections of a listener have this one
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
	c := &conn{d: d, fd: int32(fd), ends: &ends{remote: spec.Remote}, connecting: true, lent: spec.Control != nil}
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
		if err := unix.Bind(int(c.fd), lsa); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	begin := connectAtOnce
	if c.lent || family == unix.AF_UNIX {
		begin = unix.Connect
	}
	for {
		switch err := begin(int(c.fd), sa); err {
		case nil, unix.EINPROGRESS, unix.EALREADY:
			return nil
		case unix.EINTR:
		default:
			return os.NewSyscallError("connect", err)
		}
	}
}

// Start implements [driver.Conn].
func (c *conn) Start(h driver.Handler) error { return c.d.watch(int(c.fd), h, streamEvents) }

// ConnectError implements [driver.Conn].
func (c *conn) ConnectError() error {
	if c.fd < 0 {
		return net.ErrClosed
	}
	if !c.connecting {
		return nil
	}
	remote, err := addrOf(unix.SYS_GETPEERNAME, int(c.fd))
	if err == unix.ENOTCONN {
		return c.notConnected()
	}
	if err != nil {
		return os.NewSyscallError("getpeername", err)
	}
	c.connecting = false
	if remote != nil {
		c.ends.remote = remote
	}
	return nil
}

// notConnected says why it is not connected: what has failed, or that connecting goes
// on, as after a spurious event.
func (c *conn) notConnected() error {
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return os.NewSyscallError("connect", syscall.Errno(code))
	}
	return driver.ErrWouldBlock
}

// Read implements [driver.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := recv(int(c.fd), p)
	if err != nil {
		return 0, failure("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [driver.Conn].
func (c *conn) Write(p []byte) (int, error) { return c.send(p, 0) }

// WriteMore is Write of what is followed by more at once: a packet that is not
// full waits for that.
func (c *conn) WriteMore(p []byte) (int, error) { return c.send(p, unix.MSG_MORE) }

func (c *conn) send(p []byte, flags int) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := send(int(c.fd), p, flags)
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
		n, err := unix.Writev(int(c.fd), p)
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
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
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
	fd := int(c.fd)
	if c.ends == nil || c.ends.local == nil {
		c.LocalAddr() // while it can still be asked for
	}
	c.fd = -1
	if c.lent {
		c.d.unwatch(fd)
		return os.NewSyscallError("close", unix.Close(fd)) // which may wait, where they let it linger
	}
	c.d.forget(fd)
	return os.NewSyscallError("close", closeAtOnce(fd))
}

// Reset implements [driver.Conn].
func (c *conn) Reset() {
	if c.fd >= 0 {
		// Where there is no lingering (a unix socket), closing drops all anyway.
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
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

// LocalAddr implements [driver.Conn]. Of a connection that is closed, and was not
// asked for it before, it may be the address of the listener.
func (c *conn) LocalAddr() net.Addr {
	if c.fd >= 0 && (c.ends == nil || !c.ends.asked) {
		if a, err := addrOf(unix.SYS_GETSOCKNAME, int(c.fd)); err == nil {
			e := c.ownEnds()
			e.local, e.asked = a, true
		}
	}
	if c.ends == nil {
		return nil
	}
	return c.ends.local
}

// RemoteAddr implements [driver.Conn].
func (c *conn) RemoteAddr() net.Addr {
	if c.ends == nil || c.ends.remote == nil {
		c.ownEnds().remote = c.peer.addr()
	}
	return c.ends.remote
}

// ownEnds returns the connection's ends, to be changed.
func (c *conn) ownEnds() *ends {
	switch {
	case c.ends == nil:
		c.ends = &ends{}
	case c.ends.common:
		c.ends = &ends{local: c.ends.local}
	}
	return c.ends
}

// SyscallConn implements [driver.Conn].
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if c.fd < 0 {
		return nil, net.ErrClosed
	}
	c.lent = true
	return &rawConn{func() int { return int(c.fd) }}, nil
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
type rawConn struct{ fd func() int } // -1: closed

func (r *rawConn) Control(f func(fd uintptr)) error {
	fd := r.fd()
	if fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(fd))
	return nil
}

// Read calls f once: it cannot wait.
func (r *rawConn) Read(f func(fd uintptr) bool) error { return r.once(f) }

// Write calls f once: it cannot wait.
func (r *rawConn) Write(f func(fd uintptr) bool) error { return r.once(f) }

func (r *rawConn) once(f func(fd uintptr) bool) error {
	taken := false
	if err := r.Control(func(fd uintptr) { taken = f(fd) }); err != nil {
		return err
	}
	if !taken {
		return driver.ErrWouldBlock
	}
	return nil
}
