package sockopt

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

func joinIPv4(fd uintptr, m *syscall.IPMreq) error {
	return syscall.SetsockoptIPMreq(syscall.Handle(fd), syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, m)
}

func joinIPv6(uintptr, [16]byte, *net.Interface) error {
	return fmt.Errorf("a group of IPv6: %w", errors.ErrUnsupported)
}
