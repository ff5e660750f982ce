package asyncio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// An address without a host is every address of its family.
func TestAddressesWithoutAHost(t *testing.T) {
	six, err := net.Listen("tcp6", "[::1]:0")
	hasIPv6 := err == nil
	if hasIPv6 {
		six.Close()
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for network, want := range map[string]string{"tcp": "::", "tcp4": "0.0.0.0", "tcp6": "::", "udp": "::", "udp4": "0.0.0.0", "udp6": "::"} {
			if want == "::" && !hasIPv6 {
				if want = "0.0.0.0"; strings.HasSuffix(network, "6") {
					continue
				}
			}
			var addr net.Addr
			if strings.HasPrefix(network, "tcp") {
				srv, err := asyncio.StartServer(ctx, network, ":0", func(context.Context, *asyncio.Stream) error { return nil })
				if err != nil {
					t.Fatal(network, err)
				}
				addr = srv.Addr()
				srv.Close()
			} else {
				c, err := asyncio.OpenPacketConn(ctx, network, asyncio.WithLocalAddr(":0"))
				if err != nil {
					t.Fatal(network, err)
				}
				addr = c.LocalAddr()
				c.Close()
			}
			host, port, _ := net.SplitHostPort(addr.String())
			if host != want || port == "0" {
				t.Errorf("%s: %v", network, addr)
			}
		}
		if _, err := asyncio.StartServer(ctx, "tcp5", ":0", func(context.Context, *asyncio.Stream) error { return nil }); err == nil {
			t.Error("there is a network tcp5")
		}
		if _, err := asyncio.StartServer(ctx, "tcp", ":no-such-service", func(context.Context, *asyncio.Stream) error { return nil }); err == nil {
			t.Error("there is a port of no such service")
		}
		var unknown *net.DNSError
		if s, err := asyncio.OpenConnection(ctx, "tcp", "127.0.0.1:1", asyncio.WithLocalAddr(":no-such-service")); s != nil || !errors.As(err, &unknown) {
			t.Errorf("from a port of no such service: %v", err)
		}
	})
}

// A name without addresses is one that is not found.
func TestANameWithoutAddressesIsNotFound(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		none := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil })
		_, err := asyncio.OpenConnection(ctx, "tcp", "no.example:80", none)
		var unknown *net.DNSError
		if !errors.As(err, &unknown) || !unknown.IsNotFound || unknown.Name != "no.example" || unknown.Err != "no addresses" {
			t.Error(err)
		}
	})
}
