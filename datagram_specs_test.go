package asyncio_test

import (
	"context"
	"errors"
	"fmt"
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

// A specDriver notes which datagram sockets it is asked for, and refuses the first ones.
// It knows one name.
type specDriver struct {
	*asyncio.Clock
	addrs   []netip.Addr
	asked   []string
	specs   []string
	refuses int
	opened  *packetWire
}

func (d *specDriver) LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error) {
	d.asked = append(d.asked, network+" "+host)
	return d.addrs, 0, nil
}

func (d *specDriver) OpenPacket(spec driver.PacketSpec, _ driver.Handler) (driver.PacketConn, error) {
	text := fmt.Sprintf("%v>%v", spec.Local, spec.Remote)
	for flag, on := range map[string]bool{" broadcast": spec.Broadcast, " v6only": spec.V6Only, " reuseaddr": spec.ReuseAddr, " reuseport": spec.ReusePort, " control": spec.Control != nil} {
		if on {
			text += flag
		}
	}
	d.specs = append(d.specs, text)
	if d.refuses--; d.refuses >= 0 {
		return nil, fmt.Errorf("refusal %d: %w", len(d.specs), errFault)
	}
	d.opened = &packetWire{local: spec.Local, remote: spec.Remote}
	return d.opened, nil
}

func TestADatagramEndpointAsksForTheSocketsThatItsAddressesMean(t *testing.T) {
	local, remote := asyncio.WithLocalAddr, asyncio.WithRemoteAddr
	with := func(opts ...asyncio.DatagramOption) []asyncio.DatagramOption { return opts }
	two := addresses(six1, four1)
	control := asyncio.WithControl(func(string, string, syscall.RawConn) error { return nil })
	for _, c := range []struct {
		network string
		opts    []asyncio.DatagramOption
		addrs   []netip.Addr // of any name
		refuses int
		want    []string
		err     string // what it ends with; "": none
	}{
		{"udp", nil, nil, 0, []string{"[::]:0><nil>"}, ""},
		{"udp4", nil, nil, 0, []string{"0.0.0.0:0><nil>"}, ""},
		{"udp6", nil, nil, 0, []string{"[::]:0><nil> v6only"}, ""},
		{"udp", with(local(":7")), nil, 0, []string{"[::]:7><nil>"}, ""},
		{"udp", with(local("192.0.2.1:7")), nil, 0, []string{"192.0.2.1:7><nil>"}, ""},
		{"udp", with(local("name:7")), two, 0, []string{"[2001:db8::1]:7><nil>"}, ""},
		{"udp", with(local("name:7")), two, 1, []string{"[2001:db8::1]:7><nil>", "192.0.2.1:7><nil>"}, ""},
		{"udp", with(local("name:7")), two, 2, []string{"[2001:db8::1]:7><nil>", "192.0.2.1:7><nil>"},
			"open udp name:7: all 2 addresses failed: refusal 1: the driver refuses\nrefusal 2: the driver refuses"},
		{"udp", with(local(":7")), nil, 1, []string{"[::]:7><nil>"}, "open udp :7: refusal 1: the driver refuses"},
		{"udp", nil, nil, 1, []string{"[::]:0><nil>"}, "open udp: refusal 1: the driver refuses"},
		{"udp", with(remote("192.0.2.1:7")), nil, 0, []string{"<nil>>192.0.2.1:7"}, ""},
		{"udp", with(remote("name:7")), two, 1, []string{"<nil>>[2001:db8::1]:7", "<nil>>192.0.2.1:7"}, ""},
		{"udp", with(local(":5"), remote("192.0.2.1:7")), nil, 0, []string{"0.0.0.0:5>192.0.2.1:7"}, ""},
		{"udp", with(local(":5"), remote("[2001:db8::1]:7")), nil, 0, []string{"[::]:5>[2001:db8::1]:7"}, ""},
		{"udp", with(local(":5"), remote("name:7")), two, 1, []string{"[::]:5>[2001:db8::1]:7", "0.0.0.0:5>192.0.2.1:7"}, ""},
		{"udp4", with(local(":5"), remote("192.0.2.1:7")), nil, 0, []string{"0.0.0.0:5>192.0.2.1:7"}, ""},
		{"udp6", with(local(":5"), remote("[2001:db8::1]:7")), nil, 0, []string{"[::]:5>[2001:db8::1]:7 v6only"}, ""},
		{"udp", with(local("192.0.2.9:5"), remote("name:7")), two, 1, []string{"192.0.2.9:5>192.0.2.1:7"},
			"open udp name:7: refusal 1: the driver refuses"},
		{"udp", with(local("192.0.2.9:5"), remote("[2001:db8::1]:7")), nil, 0, nil,
			"open udp [2001:db8::1]:7: the local and the remote address are of different families"},
		{"udp", with(local("nonsense")), nil, 0, nil, "open udp nonsense: address nonsense: missing port in address"},
		{"udp", with(remote("nonsense")), nil, 0, nil, "open udp nonsense: address nonsense: missing port in address"},
		{"unixgram", with(local("/here")), nil, 0, []string{"/here><nil>"}, ""},
		{"unixgram", with(remote("/there")), nil, 0, []string{"<nil>>/there"}, ""},
		{"unixgram", with(local("/here"), remote("/there")), nil, 0, []string{"/here>/there"}, ""},
		{"unixgram", nil, nil, 0, nil, "open unixgram: missing address"},
		{"udp5", nil, nil, 0, nil, "open udp5: unknown network udp5"},
		{"udp4", with(asyncio.WithBroadcast()), nil, 0, []string{"0.0.0.0:0><nil> broadcast"}, ""},
		{"udp4", with(asyncio.WithReusePort()), nil, 0, []string{"0.0.0.0:0><nil> reuseport"}, ""},
		{"udp4", with(control), nil, 0, []string{"0.0.0.0:0><nil> control"}, ""},
		{"udp4", with(asyncio.WithMulticastGroup(netip.MustParseAddr("192.0.2.1"), nil)), nil, 0, []string{"0.0.0.0:0><nil> reuseaddr"},
			"open udp4: address 192.0.2.1: not a multicast address"},
	} {
		d := &specDriver{Clock: asyncio.NewClock(), addrs: c.addrs, refuses: c.refuses}
		runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
			m := &mailbox{}
			tr, p, err := loopOf(ctx).CreateDatagramEndpoint(ctx, c.network, func() asyncio.DatagramProtocol { return m }, c.opts...)
			if !slices.Equal(d.specs, c.want) {
				t.Errorf("%s %q: asked for %q", c.network, c.want, d.specs)
			}
			if len(c.addrs) > 0 && (len(d.asked) != 1 || d.asked[0] != "ip name") {
				t.Errorf("%s %q: looked up %q", c.network, c.want, d.asked)
			}
			if c.err == "" {
				if err != nil {
					t.Fatalf("%s %q: %v", c.network, c.want, err)
				}
				closeMailboxes(t, ctx, m)
				return
			}
			var op *net.OpError
			if tr != nil || p != nil || err == nil || err.Error() != c.err || !errors.As(err, &op) || errors.Is(err, errFault) != strings.Contains(c.err, errFault.Error()) {
				t.Errorf("%s %q: the error is %q", c.network, c.want, err)
			}
			if d.opened != nil && d.opened.closed != 1 {
				t.Errorf("%s %q: closed %d times", c.network, c.want, d.opened.closed)
			}
		})
	}
}

// What has no protocol is closed, and names the endpoint.
func TestADatagramEndpointWithoutAProtocolIsClosed(t *testing.T) {
	d := &specDriver{Clock: asyncio.NewClock()}
	runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			opts []asyncio.DatagramOption
			want string
		}{
			{nil, "open udp4: the factory gave no protocol"},
			{[]asyncio.DatagramOption{asyncio.WithLocalAddr("192.0.2.1:1")}, "open udp4 192.0.2.1:1: the factory gave no protocol"},
			{[]asyncio.DatagramOption{asyncio.WithLocalAddr("192.0.2.1:1"), asyncio.WithRemoteAddr("192.0.2.2:2")}, "open udp4 192.0.2.2:2: the factory gave no protocol"},
		} {
			_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return nil }, c.opts...)
			if err == nil || err.Error() != c.want || d.opened.closed != 1 {
				t.Errorf("%v, closed %d times", err, d.opened.closed)
			}
		}
	})
}
