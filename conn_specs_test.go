package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A listenDriver notes where it is to listen, and refuses after n listeners. It knows
// one name.
type listenDriver struct {
	*asyncio.Clock
	addrs []netip.Addr
	asked []string
	specs []string
	n     int
	open  int
}

func (d *listenDriver) LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error) {
	d.asked = append(d.asked, network+" "+host)
	return d.addrs, 0, nil
}

func (d *listenDriver) Listen(spec driver.ListenSpec, _ driver.Handler) (driver.Listener, error) {
	text := fmt.Sprintf("%s %v %d", spec.Addr.Network(), spec.Addr, spec.Backlog)
	for flag, on := range map[string]bool{" v6only": spec.V6Only, " reuseport": spec.ReusePort, " control": spec.Control != nil} {
		if on {
			text += flag
		}
	}
	d.specs = append(d.specs, text)
	if len(d.specs) > d.n {
		return nil, errFault
	}
	d.open++
	return &quietListener{d: d, addr: spec.Addr}, nil
}

// A quietListener is one at which nobody comes.
type quietListener struct {
	driver.Listener
	d    *listenDriver
	addr net.Addr
}

func (l *quietListener) Addr() net.Addr { return l.addr }
func (l *quietListener) Close() error   { l.d.open--; return nil }

func TestAServerListensWhereItsAddressMeans(t *testing.T) {
	two := addresses(six1, four1)
	control := asyncio.WithControl(func(string, string, syscall.RawConn) error { return nil })
	for _, c := range []struct {
		network, address string
		opts             []asyncio.ServerOption
		addrs            []netip.Addr // of any name
		n                int          // listeners that there may be
		asked            []string
		want             []string
		err              string
	}{
		{"tcp", ":7", nil, nil, 9, nil, []string{"tcp [::]:7 0"}, ""},
		{"tcp4", ":7", nil, nil, 9, nil, []string{"tcp 0.0.0.0:7 0"}, ""},
		{"tcp6", ":7", nil, nil, 9, nil, []string{"tcp [::]:7 0 v6only"}, ""},
		{"tcp5", ":7", nil, nil, 9, nil, nil, "listen tcp5 :7: unknown network tcp5"},
		{"udp", "192.0.2.1:7", nil, nil, 9, nil, nil, "listen udp 192.0.2.1:7: unknown network udp"},
		{"tcp", "192.0.2.1:7", nil, nil, 9, nil, []string{"tcp 192.0.2.1:7 0 v6only"}, ""},
		{"tcp4", "192.0.2.1:65535", nil, nil, 9, nil, []string{"tcp 192.0.2.1:65535 0 v6only"}, ""},
		{"tcp4", "[::ffff:192.0.2.1]:7", nil, nil, 9, nil, []string{"tcp 192.0.2.1:7 0 v6only"}, ""},
		{"tcp6", "[2001:db8::1]:7", nil, nil, 9, nil, []string{"tcp [2001:db8::1]:7 0 v6only"}, ""},
		{"tcp4", "[2001:db8::1]:7", nil, nil, 9, nil, nil, "listen tcp4 [2001:db8::1]:7: address 2001:db8::1: not an address of tcp4"},
		{"tcp6", "192.0.2.1:7", nil, nil, 9, nil, nil, "listen tcp6 192.0.2.1:7: address 192.0.2.1: not an address of tcp6"},
		{"tcp", "nonsense", nil, nil, 9, nil, nil, "listen tcp nonsense: address nonsense: missing port in address"},
		{"tcp", "name:7", nil, two, 9, []string{"ip name"}, []string{"tcp [2001:db8::1]:7 0 v6only", "tcp 192.0.2.1:7 0 v6only"}, ""},
		{"tcp4", "name:7", nil, two[1:], 9, []string{"ip4 name"}, []string{"tcp 192.0.2.1:7 0 v6only"}, ""},
		{"tcp6", "name:7", nil, two[:1], 9, []string{"ip6 name"}, []string{"tcp [2001:db8::1]:7 0 v6only"}, ""},
		{"tcp", "name:7", nil, two, 1, []string{"ip name"}, []string{"tcp [2001:db8::1]:7 0 v6only", "tcp 192.0.2.1:7 0 v6only"}, "listen tcp name:7: the driver refuses"},
		{"tcp", ":7", nil, nil, 0, nil, []string{"tcp [::]:7 0"}, "listen tcp :7: the driver refuses"},
		{"unix", "/here", nil, nil, 9, nil, []string{"unix /here 0 v6only"}, ""},
		{"tcp4", ":7", []asyncio.ServerOption{asyncio.WithBacklog(3)}, nil, 9, nil, []string{"tcp 0.0.0.0:7 3"}, ""},
		{"tcp4", ":7", []asyncio.ServerOption{asyncio.WithReusePort()}, nil, 9, nil, []string{"tcp 0.0.0.0:7 0 reuseport"}, ""},
		{"tcp4", ":7", []asyncio.ServerOption{control}, nil, 9, nil, []string{"tcp 0.0.0.0:7 0 control"}, ""},
	} {
		d := &listenDriver{Clock: asyncio.NewClock(), addrs: c.addrs, n: c.n}
		runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
			srv, err := loopOf(ctx).CreateServer(ctx, c.network, c.address, noProtocol, c.opts...)
			if !slices.Equal(d.specs, c.want) || !slices.Equal(d.asked, c.asked) {
				t.Errorf("%s %s: it listens at %q, and looked up %q", c.network, c.address, d.specs, d.asked)
			}
			if c.err != "" {
				if srv != nil || err == nil || err.Error() != c.err || d.open != 0 {
					t.Errorf("%s %s: %v, %d are left open", c.network, c.address, err, d.open)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s %s: %v", c.network, c.address, err)
			}
			if n := len(srv.Addrs()); n != len(c.want) || d.open != n || srv.Addr() != srv.Addrs()[0] || srv.Loop() != loopOf(ctx) {
				t.Errorf("%s %s: %d addresses, the first is %v; %d are open", c.network, c.address, n, srv.Addr(), d.open)
			}
			srv.Close()
			if d.open != 0 || srv.Addrs() != nil || srv.Addr() == nil {
				t.Errorf("%s %s: when it is closed %d are open, at %v, the first at %v", c.network, c.address, d.open, srv.Addrs(), srv.Addr())
			}
		})
	}
}

// Time limits of TLS are positive, and for TLS.
func TestTimeLimitsOfTLSArePositive(t *testing.T) {
	d := &listenDriver{Clock: asyncio.NewClock(), n: 1 << 10}
	runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
		for name, option := range map[string]func(time.Duration) asyncio.StreamOption{
			"WithTLSHandshakeTimeout": asyncio.WithTLSHandshakeTimeout, "WithTLSShutdownTimeout": asyncio.WithTLSShutdownTimeout,
		} {
			for _, c := range []struct {
				limit time.Duration
				tls   bool
				err   string
			}{
				{1, true, ""},
				{time.Hour, true, ""},
				{0, true, name + ": 0s is not positive: "},
				{-1, true, name + ": -1ns is not positive: "},
				{1, false, name + " is only meaningful with WithTLS: "},
				{0, false, name + " is only meaningful with WithTLS: "},
			} {
				opts := []asyncio.ServerOption{option(c.limit)}
				if c.tls {
					opts = append(opts, asyncio.WithTLS(serverTLS()))
				}
				srv, err := loopOf(ctx).CreateServer(ctx, "tcp4", ":7", noProtocol, opts...)
				if c.err == "" {
					if err != nil {
						t.Errorf("%s(%v): %v", name, c.limit, err)
					} else {
						srv.Close()
					}
				} else if srv != nil || !errors.Is(err, fs.ErrInvalid) || !strings.HasPrefix(err.Error(), "listen tcp4 :7: "+c.err) {
					t.Errorf("%s(%v), with TLS %v: %v", name, c.limit, c.tls, err)
				}
			}
		}
		if d.open != 0 {
			t.Errorf("%d listeners are left", d.open)
		}
	})
}
