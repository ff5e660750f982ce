//go:build unix || windows

package asyncio

import (
	"net"
	"net/netip"
)

// ipv4Of gives the address by which a system knows an interface that is to
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
