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

// A listenDriver notes where it is to listen, and refuses from the n-th on. It knows
// one name.
type listenDriver struct {
	*asyncio.Clock
	addrs  []netip.Addr
	asked  []string
	specs  []string
	n      int
	open   int
	socket *fakeListener
}

func (d *listenDriver) LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error) {
	d.asked = append(d.asked, network+" "+host)
	return d.addrs, 0, nil
}

func (d *listenDriver) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
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
	d.socket = &fakeListener{d: d, addr: spec.Addr, h: h}
	return d.socket, nil
}

// A fakeListener accepts what the test has put there.
type fakeListener struct {
	driver.Listener
	d       *listenDriver
	addr    net.Addr
	h       driver.Handler
	waiting []driver.Conn
	fails   int // so many attempts
	tries   int
}

func (l *fakeListener) Addr() net.Addr { return l.addr }
func (l *fakeListener) Close() error   { l.d.open--; return nil }

func (l *fakeListener) Accept() (driver.Conn, error) {
	l.tries++
	if l.fails--; l.fails >= 0 {
		return nil, syscall.EMFILE
	}
	if len(l.waiting) == 0 {
		return nil, driver.ErrWouldBlock
	}
	c := l.waiting[0]
	l.waiting = l.waiting[1:]
	return c, nil
}

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
			if n := len(srv.Addrs()); n != len(c.want) || d.open != n || srv.Addr() != srv.Addrs()[0] {
				t.Errorf("%s %s: %d addresses, the first is %v; %d are open", c.network, c.address, n, srv.Addr(), d.open)
			}
			srv.Close()
			if d.open != 0 || srv.Addrs() != nil || srv.Addr() == nil {
				t.Errorf("%s %s: when it is closed %d are open, at %v, the first at %v", c.network, c.address, d.open, srv.Addrs(), srv.Addr())
			}
		})
	}
}

// While the system has no descriptor, accepting is tried again every tenth of a second.
func TestAcceptingThatFailsIsTriedAgainAfterAWhile(t *testing.T) {
	d := &listenDriver{Clock: asyncio.NewClock(), n: 1}
	var told []asyncio.ExceptionContext
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l, r := loopOf(ctx), &recorder{}
		srv := must(l.CreateServer(ctx, "tcp4", ":7", func() asyncio.Protocol { return r }))
		ln := d.socket
		ln.fails, ln.waiting = 2, []driver.Conn{&wire{}}
		timers := l.Stats().Timers
		ln.h.Ready(driver.Readable)
		asyncio.Sleep(ctx, 99*time.Millisecond)
		ln.h.Ready(driver.Readable) // what comes meanwhile waits, too
		turns(ctx, 2)
		if ln.tries != 1 || len(told) != 1 || !errors.Is(told[0].Err, syscall.EMFILE) || l.Stats().Timers != timers+1 {
			t.Errorf("%d attempts at first, told %v", ln.tries, told)
		}
		asyncio.Sleep(ctx, time.Millisecond)
		turns(ctx, 2)
		if ln.tries != 2 || len(told) != 2 {
			t.Errorf("%d attempts after a tenth of a second, told %v", ln.tries, told)
		}
		asyncio.Sleep(ctx, 100*time.Millisecond)
		r.untilCall(ctx, "made")
		if ln.tries != 4 || len(told) != 2 || l.Stats().Timers != timers { // and one that finds no more
			t.Errorf("%d attempts in the end, told %v, %d timers are left", ln.tries, told, l.Stats().Timers-timers)
		}
		ln.fails = 1
		ln.h.Ready(driver.Readable)
		turns(ctx, 2)
		srv.Close()
		if n := l.Stats().Timers; n != timers {
			t.Errorf("a closed server has %d timers", n-timers)
		}
		ln.h.Ready(driver.Readable) // the driver may not have known
		asyncio.Sleep(ctx, time.Second)
		if ln.tries != 5 {
			t.Errorf("a closed server accepts: %d attempts", ln.tries)
		}
		r.transport.Abort()
		return srv.WaitClosed(ctx)
	}, asyncio.WithDriver(d), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { told = append(told, c) }))
	if err != nil {
		t.Error(err)
	}
}

// Events while it accepts do not make it accept twice in a turn, and one that does not
// serve leaves all in the system.
func TestAServerAcceptsWhileItServes(t *testing.T) {
	d := &listenDriver{Clock: asyncio.NewClock(), n: 1}
	runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
		made := 0
		srv := must(loopOf(ctx).CreateServer(ctx, "tcp4", ":7", func() asyncio.Protocol { made++; return &recorder{} }, asyncio.WithoutServing()))
		ln := d.socket
		for range 100 {
			ln.waiting = append(ln.waiting, &wire{})
		}
		ln.h.Ready(driver.Readable)
		turns(ctx, 2)
		if ln.tries != 0 || srv.IsServing() {
			t.Errorf("%d attempts of a server that does not serve", ln.tries)
		}
		if err := srv.StartServing(); err != nil {
			t.Fatal(err)
		}
		ln.h.Ready(driver.Readable)
		ln.h.Ready(driver.Readable)
		for i, want := range []int{64, 101, 101} { // the last finds nothing
			asyncio.Sleep(ctx, 0)
			if ln.tries != want {
				t.Errorf("after %d turns %d attempts, and not %d", i+1, ln.tries, want)
			}
		}
		if made != 100 || !srv.IsServing() {
			t.Errorf("%d of 100 were served", made)
		}
		srv.Close()
		if err := srv.StartServing(); !errors.Is(err, net.ErrClosed) || srv.IsServing() {
			t.Errorf("StartServing of one that is closed gave %v", err)
		}
		srv.AbortClients()
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	})
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
