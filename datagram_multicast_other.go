//go:build !unix && !windows

package asyncio

import (
	"errors"
	"net"
	"net/netip"
)

func joinGroup(uintptr, netip.Addr, *net.Interface) error { return errors.ErrUnsupported }
