//go:build unix

package sockopt

import (
	"net"
	"os"
	"syscall"
)

func joinIPv4(fd uintptr, m *syscall.IPMreq) error {
	return syscall.SetsockoptIPMreq(int(fd), syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, m)
}

func joinIPv6(fd uintptr, group [16]byte, ifi *net.Interface) error {
	m := &syscall.IPv6Mreq{Multiaddr: group}
	if ifi != nil {
		m.Interface = uint32(ifi.Index)
	}
	return os.NewSyscallError("setsockopt", syscall.SetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_JOIN_GROUP, m))
}
