//go:build unix || windows

package sockopt

import (
	"net"
	"net/netip"
	"os"
	"syscall"
)

// JoinGroup makes the socket receive what is sent to the multicast group on the
// interface, or for nil on one that the system chooses.
func JoinGroup(fd uintptr, group netip.Addr, ifi *net.Interface) error {
	if !group.Is4() {
		return joinIPv6(fd, group.As16(), ifi)
	}
	local, err := ipv4Of(ifi)
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", joinIPv4(fd, &syscall.IPMreq{Multiaddr: group.As4(), Interface: local}))
}

// ipv4Of returns the address by which a system knows an interface that is to
// receive a group of IPv4: its first, or zero for any.
func ipv4Of(ifi *net.Interface) (addr [4]byte, err error) {
	if ifi == nil {
		return addr, nil
	}
	all, err := ifi.Addrs()
	if err != nil {
		return addr, err
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr().As4(), nil
		}
	}
	return addr, &net.AddrError{Err: "the interface has no IPv4 address", Addr: ifi.Name}
}
