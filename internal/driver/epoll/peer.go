//go:build linux

package epoll

import (
	"encoding/binary"
	"net"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A peer is the address of an accepted connection's other end, in little room:
// there may be very many of them, and few are asked for.
type peer struct {
	ip     [16]byte // of IPv4 the first four bytes
	zone   uint32
	port   uint16
	family uint16 // zero: there is no such address
}

// addr returns Go's form of the address; nil when there is none.
func (p *peer) addr() net.Addr {
	switch p.family {
	case unix.AF_INET:
		return &net.TCPAddr{IP: slices.Clone(p.ip[:4]), Port: int(p.port)}
	case unix.AF_INET6:
		return &net.TCPAddr{IP: slices.Clone(p.ip[:]), Port: int(p.port), Zone: zoneName(p.zone)}
	}
	return nil
}

// A rawPeer is such an address as the kernel gives it: a sockaddr_in or a
// sockaddr_in6.
type rawPeer [unix.SizeofSockaddrInet6]byte

func (r *rawPeer) parse() peer {
	p := peer{family: binary.NativeEndian.Uint16(r[:]), port: binary.BigEndian.Uint16(r[2:])}
	if p.family == unix.AF_INET6 {
		copy(p.ip[:], r[8:])
		p.zone = binary.NativeEndian.Uint32(r[24:])
	} else {
		copy(p.ip[:4], r[4:])
	}
	return p
}

// rawSockaddr returns the kernel's form of an address of IPv4 or IPv6, and its size.
func rawSockaddr(sa unix.Sockaddr) (r rawPeer, size uintptr) {
	family, port := uint16(unix.AF_INET6), 0
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		family, port, size = unix.AF_INET, sa.Port, unix.SizeofSockaddrInet4
		copy(r[4:], sa.Addr[:])
	case *unix.SockaddrInet6:
		port, size = sa.Port, unix.SizeofSockaddrInet6
		copy(r[8:], sa.Addr[:])
		binary.NativeEndian.PutUint32(r[24:], sa.ZoneId)
	}
	binary.NativeEndian.PutUint16(r[:], family)
	binary.BigEndian.PutUint16(r[2:], uint16(port))
	return r, size
}

// addrOf asks for an address of a stream socket, by SYS_GETSOCKNAME or
// SYS_GETPEERNAME; nil when it has no name. Those of x/sys ask for the protocol of
// each socket, too.
func addrOf(call uintptr, fd int) (net.Addr, error) {
	var raw rawPeer
	size := uint32(len(raw))
	_, _, e := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return nil, e
	}
	if p := raw.parse(); p.family == unix.AF_INET || p.family == unix.AF_INET6 {
		return p.addr(), nil
	}
	ask := unix.Getsockname
	if call == unix.SYS_GETPEERNAME {
		ask = unix.Getpeername
	}
	sa, err := ask(fd)
	return netAddr(sa), err
}
