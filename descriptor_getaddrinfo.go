package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Getaddrinfo looks up the addresses of a host and the port of a service, in
// a thread for look-ups. The network is "tcp" or "udp", or one of these with "4"
// or "6". The host may be a name or an address, and empty for this machine; the
// service a name or a number, and empty for 0. It returns the addresses in the
// order in which to try them, at least one, or the [*net.DNSError]. It is for a
// task of the loop. Python: loop.getaddrinfo.
func (l *Loop) Getaddrinfo(ctx context.Context, network, host, service string) ([]netip.AddrPort, error) {
	t, level, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, fmt.Errorf("asyncio: getaddrinfo: %w", net.UnknownNetworkError(network))
	}
	if service == "" {
		service = "0"
	}
	addrs, err := new(streamOptions).lookupAddress(t, level, network, net.JoinHostPort(host, service))
	if err != nil {
		return nil, fmt.Errorf("asyncio: getaddrinfo: %w", err)
	}
	return addrs, nil
}

// Getnameinfo looks up the name of an address's host, on a thread for look-ups,
// and returns the address itself where there is none. The service is the port's
// number: net knows the ports of names, and not the names of ports. It is for a
// task of the loop. Python: loop.getnameinfo.
func (l *Loop) Getnameinfo(ctx context.Context, addr netip.AddrPort) (host, service string, err error) {
	t, level, err := l.enter(ctx)
	if err != nil {
		return "", "", err
	}
	if !addr.IsValid() {
		return "", "", fmt.Errorf("asyncio: getnameinfo: %w", &net.AddrError{Err: "no address", Addr: addr.String()})
	}
	ip := addr.Addr().Unmap()
	if own, ok := l.driver.(driver.NameResolver); ok {
		names, delay := own.LookupAddr(ip)
		if err := t.sleep(delay, level); err != nil {
			return "", "", err
		}
		if host = ip.String(); len(names) > 0 {
			host = names[0]
		}
		return host, strconv.Itoa(int(addr.Port())), nil
	}
	names, err := lookUp(t, level, func(ctx context.Context) ([]string, error) {
		return net.DefaultResolver.LookupAddr(ctx, ip.WithZone("").String())
	})
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		host = ip.String()
	case err != nil:
		return "", "", fmt.Errorf("asyncio: getnameinfo: %w", err)
	case len(names) == 0:
		host = ip.String()
	default:
		host = strings.TrimSuffix(names[0], ".")
	}
	return host, strconv.Itoa(int(addr.Port())), nil
}
