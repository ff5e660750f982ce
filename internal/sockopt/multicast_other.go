//go:build !unix && !windows

package sockopt

import (
	"errors"
	"net"
	"net/netip"
)

// JoinGroup makes the socket receive what is sent to the multicast group.
func JoinGroup(uintptr, netip.Addr, *net.Interface) error { return errors.ErrUnsupported }
