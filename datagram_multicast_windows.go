package asyncio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// joinGroup makes the socket receive what is sent to the group.
func joinGroup(fd uintptr, group netip.Addr, ifi *net.Interface) error {
	if !group.Is4() {
		return fmt.Errorf("a group of IPv6: %w", errors.ErrUnsupported)
	}
	m := &syscall.IPMreq{Multiaddr: group.As4()}
	four, err := ipv4Of(ifi)
	if err != nil {
		return err
	}
	m.Interface = four
	return os.NewSyscallError("setsockopt", syscall.SetsockoptIPMreq(syscall.Handle(fd), syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, m))
}
