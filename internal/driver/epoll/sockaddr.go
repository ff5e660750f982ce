//go:build linux

package epoll

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// newStreamSocket makes a stream socket for addr that does not block.
func newStreamSocket(family int, addr net.Addr, control driver.Control) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family != unix.AF_UNIX {
		setNoDelay(fd) // every socket of TCP has it
	}
	if err := runControl(control, fd, family, addr); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// runControl calls control, if there is one, with the network as net says it.
func runControl(control driver.Control, fd, family int, addr net.Addr) error {
	if control == nil {
		return nil
	}
	network := addr.Network()
	switch family {
	case unix.AF_INET:
		network += "4"
	case unix.AF_INET6:
		network += "6"
	}
	return control(network, addr.String(), &rawConn{func() int { return fd }})
}

// sockaddr returns the kernel's form of the address of a stream socket, and its
// family.
func sockaddr(addr net.Addr) (unix.Sockaddr, int, error) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		sa, family := inetSockaddr(a.IP, a.Port, a.Zone)
		return sa, family, nil
	case *net.UnixAddr:
		return &unix.SockaddrUnix{Name: a.Name}, unix.AF_UNIX, nil
	}
	return nil, 0, fmt.Errorf("an address of type %T is not one of a stream socket", addr)
}

// packetSockaddr is that for a datagram socket.
func packetSockaddr(addr net.Addr) (unix.Sockaddr, int, error) {
	switch a := addr.(type) {
	case *net.UDPAddr:
		sa, family := inetSockaddr(a.IP, a.Port, a.Zone)
		return sa, family, nil
	case *net.UnixAddr:
		return &unix.SockaddrUnix{Name: a.Name}, unix.AF_UNIX, nil
	case nil:
		return nil, 0, &net.AddrError{Err: "missing address"}
	}
	return nil, 0, &net.AddrError{Err: "not an address of a datagram socket", Addr: addr.String()}
}

// Sockaddr returns the kernel's form of addr for a socket of the family: that of
// an IPv4 address is another one for a socket of IPv6.
func Sockaddr(addr net.Addr, family int) (unix.Sockaddr, error) {
	var sa unix.Sockaddr
	var of int
	var err error
	if tcp, ok := addr.(*net.TCPAddr); ok {
		sa, of = inetSockaddr(tcp.IP, tcp.Port, tcp.Zone)
	} else if sa, of, err = packetSockaddr(addr); err != nil {
		return nil, err
	}
	if four, ok := sa.(*unix.SockaddrInet4); ok && family == unix.AF_INET6 {
		six := &unix.SockaddrInet6{Port: four.Port}
		copy(six.Addr[:], net.IP(four.Addr[:]).To16())
		return six, nil
	}
	if of != family {
		return nil, &net.AddrError{Err: "an address of another family than that of the socket", Addr: addr.String()}
	}
	return sa, nil
}

// Addr returns Go's form of an address of a socket of the kind, SOCK_STREAM or
// another; nil for one that has no name, or that is of no family net knows.
func Addr(sa unix.Sockaddr, kind int) net.Addr {
	if kind == unix.SOCK_STREAM {
		return netAddr(sa)
	}
	return packetAddr(sa)
}

func inetSockaddr(ip net.IP, port int, zone string) (unix.Sockaddr, int) {
	if four := ip.To4(); four != nil {
		return &unix.SockaddrInet4{Port: port, Addr: [4]byte(four)}, unix.AF_INET
	}
	sa := &unix.SockaddrInet6{Port: port, ZoneId: zoneID(zone)}
	copy(sa.Addr[:], ip.To16())
	return sa, unix.AF_INET6
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32) // a number, or no zone
	return uint32(n)
}

// netAddr returns Go's form of a stream socket's address; nil for one that has
// no name.
func netAddr(sa unix.Sockaddr) net.Addr {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: net.IP(a.Addr[:]).To4(), Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: net.IP(a.Addr[:]), Port: a.Port, Zone: zoneName(a.ZoneId)}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: a.Name, Net: "unix"}
	}
	return nil
}

// packetAddr is that of a datagram socket.
func packetAddr(sa unix.Sockaddr) net.Addr {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.UDPAddr{IP: net.IP(a.Addr[:]).To4(), Port: a.Port}
	case *unix.SockaddrInet6:
		ip := net.IP(a.Addr[:])
		if four := ip.To4(); four != nil { // to a socket of both families
			ip = four
		}
		return &net.UDPAddr{IP: ip, Port: a.Port, Zone: zoneName(a.ZoneId)}
	case *unix.SockaddrUnix:
		if a.Name != "" {
			return &net.UnixAddr{Name: a.Name, Net: "unixgram"}
		}
	}
	return nil
}

func zoneName(id uint32) string {
	if id == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(id), 10)
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
