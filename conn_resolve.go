package asyncio

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// resolve returns the addresses to try, in their order.
func (o *streamOptions) resolve(t *task, level context.Context, network, address string) ([]net.Addr, error) {
	switch network {
	case "unix":
		return []net.Addr{&net.UnixAddr{Name: address, Net: "unix"}}, nil
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	found, err := o.lookupAddress(t, level, network, address)
	if err != nil {
		return nil, err
	}
	addrs := make([]net.Addr, len(found))
	for i, a := range found {
		addrs[i] = net.TCPAddrFromAddrPort(a)
	}
	return addrs, nil
}

// lookupAddress returns the addresses of a host and a port, in the order in which
// to try them, for the network "tcp" or "udp", or one of these with "4" or "6".
func (o *streamOptions) lookupAddress(t *task, level context.Context, network, address string) ([]netip.AddrPort, error) {
	family := "ip" + network[3:]
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := o.lookupPort(t, level, network, service)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if family == "ip4" && !ip.Unmap().Is4() || family == "ip6" && !ip.Is6() {
			return nil, &net.AddrError{Err: "not an address of " + network, Addr: host}
		}
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(port))}, nil
	}
	if host == "" { // this machine, as for net.Dial
		host = "localhost"
	}
	ips, err := o.lookup(t, level, family, host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range interleave(ips) {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

// localAddrs returns where a connection may come from; none: anywhere.
func (o *streamOptions) localAddrs(t *task, level context.Context, network string) ([]net.Addr, error) {
	if o.local == nil {
		return nil, nil
	}
	host, service, err := net.SplitHostPort(*o.local)
	if network == "unix" || err != nil || host != "" {
		return o.resolve(t, level, network, *o.local)
	}
	port, err := o.lookupPort(t, level, network, service)
	if err != nil {
		return nil, err
	}
	return []net.Addr{&net.TCPAddr{IP: net.IPv4zero, Port: port}, &net.TCPAddr{IP: net.IPv6unspecified, Port: port}}, nil
}

// listenAddrs returns the addresses to listen on, and whether one that is all of
// IPv6 is not to take IPv4.
func (o *streamOptions) listenAddrs(t *task, level context.Context, network, address string) ([]net.Addr, bool, error) {
	host, service, err := net.SplitHostPort(address)
	if network == "unix" || err != nil || host != "" {
		addrs, err := o.resolve(t, level, network, address)
		return addrs, true, err
	}
	port, err := o.lookupPort(t, level, network, service)
	if err != nil {
		return nil, false, err
	}
	if network == "tcp" && !t.loop.hasIPv6() {
		network = "tcp4"
	}
	switch network {
	case "tcp":
		return []net.Addr{&net.TCPAddr{IP: net.IPv6unspecified, Port: port}}, false, nil
	case "tcp4":
		return []net.Addr{&net.TCPAddr{IP: net.IPv4zero, Port: port}}, false, nil
	case "tcp6":
		return []net.Addr{&net.TCPAddr{IP: net.IPv6unspecified, Port: port}}, true, nil
	}
	return nil, false, net.UnknownNetworkError(network)
}

// hasIPv6 reports whether the loop's sockets can be bound to an IPv6 address.
func (l *Loop) hasIPv6() bool {
	_, ofItsOwn := l.driver.(driver.Resolver) // a world of its own, which has both
	return ofItsOwn || systemHasIPv6()
}

// systemHasIPv6 reports whether a socket can be bound to an IPv6 address.
func systemHasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func (o *streamOptions) lookupPort(t *task, level context.Context, network, service string) (int, error) {
	if port, err := strconv.ParseUint(service, 10, 16); err == nil {
		return int(port), nil
	}
	return lookUp(t, level, func(ctx context.Context) (int, error) {
		return net.DefaultResolver.LookupPort(ctx, network, service)
	})
}

func (o *streamOptions) lookup(t *task, level context.Context, network, host string) ([]netip.Addr, error) {
	resolver := o.resolver
	if own, ok := t.loop.driver.(driver.Resolver); ok && resolver == nil {
		ips, delay, err := own.LookupNetIP(network, host)
		if delay > 0 {
			if err := t.sleep(delay, level); err != nil {
				return nil, err
			}
		}
		return ips, err
	}
	if resolver == nil {
		resolver = net.DefaultResolver.LookupNetIP
	}
	ips, err := lookUp(t, level, func(ctx context.Context) ([]netip.Addr, error) {
		return resolver(ctx, network, host)
	})
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return ips, err
}

// interleave orders addresses as RFC 8305 wants them tried: the families in
// turn, beginning with that of the first.
func interleave(ips []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			same = append(same, ip)
		} else {
			other = append(other, ip)
		}
	}
	out := make([]netip.Addr, 0, len(ips))
	for i := range max(len(same), len(other)) {
		if i < len(same) {
			out = append(out, same[i])
		}
		if i < len(other) {
			out = append(out, other[i])
		}
	}
	return out
}
