// Package safety knows which addresses a crawler must not connect to unless it
// is told to: those that are not of the public Internet. A page of a stranger
// may refer to them, by a link, by a redirect, or by a name that resolves to one.
package safety

import (
	"fmt"
	"net/netip"
)

// An AddressError is returned for an address that must not be connected to.
type AddressError struct {
	Addr netip.Addr
	Why  string // "private", "loopback" and so on
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is a %s address; --allow-private permits it", e.Addr, e.Why)
}

// special are the networks that are set aside, beside those that netip knows.
var special = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "local"},
	{netip.MustParsePrefix("100.64.0.0/10"), "private"}, // of providers
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmark"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("100::/64"), "reserved"},
	{netip.MustParsePrefix("2001::/23"), "reserved"}, // Teredo is in it, which leads to any IPv4
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "reserved"},
	{netip.MustParsePrefix("fec0::/10"), "private"}, // site-local, of old
}

// What lies in these contains an IPv4 address, at a byte.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// CheckAddr returns an [*AddressError] for an address that is not public. It may
// be called on any goroutine.
func CheckAddr(a netip.Addr) error {
	if why := notPublic(a.Unmap().WithZone("")); why != "" {
		return &AddressError{a, why}
	}
	return nil
}

func notPublic(a netip.Addr) string {
	switch {
	case !a.IsValid(), a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate():
		return "private"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast():
		return "link-local"
	case a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return "multicast"
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.why
		}
	}
	for _, e := range embedding {
		if e.prefix.Contains(a) {
			b := a.As16()
			return notPublic(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return ""
}
