package asyncio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
	"golang.org/x/sys/unix"
)

// errBacklogFull says that a unix socket's listener has no room now; nothing
// tells when it has.
var errBacklogFull = errors.New("the listener's backlog is full")

// sockError names what failed, but for what is not a failure.
func sockError(call string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EAGAIN:
		return driver.ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

// sockRecv receives once. The sender is looked for only when it is wanted.
func sockRecv(fd uintptr, p []byte, sender bool) (int, net.Addr, error) {
	for {
		n, sa, err := unix.Recvfrom(int(fd), p, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, nil, sockError("recvfrom", err)
		case n == 0 && len(p) > 0 && isStream(fd):
			return 0, nil, io.EOF
		case sender && sa != nil:
			return n, epoll.Addr(sa, sockKind(fd)), nil
		}
		return n, nil, nil
	}
}

// sockKind returns the socket's kind, or one that is none.
func sockKind(fd uintptr) int {
	kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return -1
	}
	return kind
}

// isStream reports whether to read nothing from the socket is the end.
func isStream(fd uintptr) bool {
	kind := sockKind(fd)
	return kind == unix.SOCK_STREAM || kind == unix.SOCK_SEQPACKET
}

func sockSend(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), sockError("send", err)
		}
	}
}

func sockSendto(fd uintptr, p []byte, to net.Addr) error {
	sa, err := sockAddr(fd, to)
	if err != nil {
		return err
	}
	for {
		err := unix.Sendto(int(fd), p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, sa)
		if err != unix.EINTR {
			return sockError("sendto", err)
		}
	}
}

func sockSendfile(fd uintptr, f *os.File, offset int64, n int) (sent int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	// The call has no flag not to wait for the socket.
	if err := mustNotBlock(fd); err != nil {
		return 0, err
	}
	cerr := raw.Control(func(file uintptr) {
		for {
			sent, err = unix.Sendfile(int(fd), int(file), &offset, n)
			if err != unix.EINTR {
				return
			}
		}
	})
	if cerr != nil { // which is not the error that closed files have elsewhere
		return 0, &os.PathError{Op: "sendfile", Path: f.Name(), Err: os.ErrClosed}
	}
	return max(sent, 0), sockError("sendfile", err)
}

// sockAddr returns the kernel's form of an address, for the socket's family.
func sockAddr(fd uintptr, addr net.Addr) (unix.Sockaddr, error) {
	family, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	return epoll.Sockaddr(addr, family)
}

// mustNotBlock refuses a descriptor that would hold the loop.
func mustNotBlock(fd uintptr) error {
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if flags&unix.O_NONBLOCK == 0 {
		return fmt.Errorf("descriptor %d would block the loop: make it non-blocking", fd)
	}
	return nil
}

// sockConnect begins to connect. It returns driver.ErrWouldBlock when that has
// begun, and nil when it has connected at once.
func sockConnect(fd uintptr, to net.Addr) error {
	if err := mustNotBlock(fd); err != nil {
		return err
	}
	sa, err := sockAddr(fd, to)
	if err != nil {
		return err
	}
	switch err := unix.Connect(int(fd), sa); err {
	case nil:
		return nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		return driver.ErrWouldBlock
	case unix.EAGAIN:
		return errBacklogFull
	default:
		return os.NewSyscallError("connect", err)
	}
}

// sockConnected says how connecting has ended.
func sockConnected(fd uintptr) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return os.NewSyscallError("connect", syscall.Errno(code))
	}
	if _, err := unix.Getpeername(int(fd)); err == unix.ENOTCONN {
		return driver.ErrWouldBlock // a spurious event
	}
	return nil
}

func sockAccept(fd uintptr) (Socket, error) {
	if err := mustNotBlock(fd); err != nil {
		return nil, err
	}
	for {
		n, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			return socketOf(n)
		case unix.EINTR, unix.ECONNABORTED: // the peer has gone before it was served
		default:
			return nil, sockError("accept", err)
		}
	}
}

// socketOf makes a connection of net's of a descriptor, which it takes over.
func socketOf(fd int) (Socket, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close() // what net makes has a copy
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return nc.(Socket), nil // as all of net's are that have a descriptor
}
