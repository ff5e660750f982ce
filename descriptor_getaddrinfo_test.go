package asyncio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestGetaddrinfoGivesAddressesWithPorts(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for _, c := range []struct{ network, host, service, want string }{
			{"tcp", "127.0.0.1", "80", "127.0.0.1:80"},
			{"udp6", "::1", "", "[::1]:0"},
			{"tcp4", "localhost", "8080", "127.0.0.1:8080"},
			{"udp4", "", "53", "127.0.0.1:53"},
			{"tcp", "192.0.2.1", "https", "192.0.2.1:443"},
			{"udp", "192.0.2.1", "domain", "192.0.2.1:53"},
		} {
			got, err := l.Getaddrinfo(ctx, c.network, c.host, c.service)
			if err != nil || len(got) == 0 || got[0].String() != c.want {
				t.Errorf("%+v gave %v, %v", c, got, err)
			}
		}
	})
}

func TestGetaddrinfoSaysWhatItCannotFind(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		if _, err := l.Getaddrinfo(ctx, "unix", "127.0.0.1", "80"); !errors.As(err, new(net.UnknownNetworkError)) {
			t.Errorf("network unix gave %v", err)
		}
		if _, err := l.Getaddrinfo(ctx, "tcp", "127.0.0.1", "no-such-service"); !errors.As(err, new(*net.DNSError)) {
			t.Errorf("an unknown service gave %v", err)
		}
		if _, err := l.Getaddrinfo(ctx, "tcp", "127.0.0.1", "65536"); err == nil {
			t.Error("a port that is too large gave no error")
		}
		if _, err := l.Getaddrinfo(ctx, "tcp6", "127.0.0.1", "80"); !errors.As(err, new(*net.AddrError)) {
			t.Errorf("an address of another family gave %v", err)
		}
		if _, err := l.Getaddrinfo(t.Context(), "tcp", "", ""); !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("without a loop it gave %v", err)
		}
		if _, _, err := l.Getnameinfo(ctx, netip.AddrPort{}); err == nil {
			t.Error("no address gave no error")
		}
	})
}

func TestGetaddrinfoIsCancelled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]netip.AddrPort, error) {
			return loopOf(ctx).Getaddrinfo(ctx, "tcp", "localhost", "80")
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it gave %v", err)
		}
	})
}

func TestGetnameinfoGivesANameOrTheAddress(t *testing.T) {
	if names, err := net.LookupAddr("127.0.0.1"); err != nil || len(names) == 0 {
		t.Skip("this machine has no name for 127.0.0.1: ", err)
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		host, service, err := loopOf(ctx).Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80"))
		if err != nil || host == "" || host == "127.0.0.1" || service != "80" {
			t.Errorf("it gave %q, %q, %v", host, service, err)
		}
	})
}
