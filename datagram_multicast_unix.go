//go:build unix

package asyncio

import (
	"net"
	"net/netip"
	"os"
	"syscall"
)

// joinGroup makes the socket receive what is sent to the group.
func joinGroup(fd uintptr, group netip.Addr, ifi *net.Interface) error {
	if group.Is4() {
		m := &syscall.IPMreq{Multiaddr: group.As4()}
		four, err := ipv4Of(ifi)
		if err != nil {
			return err
		}
		m.Interface = four
		return os.NewSyscallError("setsockopt", syscall.SetsockoptIPMreq(int(fd), syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, m))
	}
	m := &syscall.IPv6Mreq{Multiaddr: group.As16()}
	if ifi != nil {
		m.Interface = uint32(ifi.Index)
	}
	return os.NewSyscallError("setsockopt", syscall.SetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_JOIN_GROUP, m))
}
