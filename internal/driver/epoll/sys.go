//go:build linux

package epoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block, so they need not tell the scheduler that they might:
// RawSyscall is some fifty nanoseconds cheaper. The unsafe pointers are system
// call arguments. (That of package syscall is called, because x/sys comes to it by
// assembly, which passes arguments on the stack.)

func epollWait(epfd int, events []unix.EpollEvent) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// recv and send are for sockets: they pass by what the kernel does for files.

func recv(fd int, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// send takes flags of the system's send.
func send(fd int, p []byte, flags int) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(unix.MSG_NOSIGNAL|flags), 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// sendto is send to an address, of which there are size bytes.
func sendto(fd int, p []byte, to *rawPeer, size uint32) error {
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(to)), uintptr(size))
		if e == 0 {
			return nil
		}
		if e != unix.EINTR {
			return e
		}
	}
}

// mmsghdr is a message of recvmmsg and sendmmsg.
type mmsghdr struct {
	unix.Msghdr
	n uint32 // bytes received or sent
}

func recvmmsg(fd int, msgs []mmsghdr) (int, error) { return mmsg(unix.SYS_RECVMMSG, fd, msgs) }

func sendmmsg(fd int, msgs []mmsghdr) (int, error) { return mmsg(unix.SYS_SENDMMSG, fd, msgs) }

func mmsg(call uintptr, fd int, msgs []mmsghdr) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(call, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

func read(fd int, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

func write(fd int, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// accept accepts a connection, and puts its peer's address into from.
func accept(fd int, from *rawPeer) (int, error) {
	size := uint32(len(from))
	n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd),
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}

// connectAtOnce begins to connect a socket of IPv4 or IPv6 that does not block.
func connectAtOnce(fd int, sa unix.Sockaddr) error {
	raw, size := rawSockaddr(sa)
	if _, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw)), size); e != 0 {
		return e
	}
	return nil
}

// setNoDelay makes a socket of TCP send at once what is small. It has no error: what
// it is not set on goes without.
func setNoDelay(fd int) {
	on := int32(1)
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY,
		uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// closeAtOnce closes what does not linger.
func closeAtOnce(fd int) error {
	if _, _, e := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); e != 0 {
		return e
	}
	return nil
}
