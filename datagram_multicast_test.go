//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// loopbackInterface returns the interface of 127.0.0.1.
func loopbackInterface(t *testing.T) *net.Interface {
	t.Helper()
	for _, ifi := range must(net.Interfaces()) {
		if ifi.Flags&net.FlagLoopback != 0 {
			return &ifi
		}
	}
	t.Skip("no loopback interface here")
	return nil
}

func TestMulticastReachesAllMembersOfTheGroup(t *testing.T) {
	ifi := loopbackInterface(t)
	group := netip.MustParseAddr("239.255.77.77")
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		one := &mailbox{}
		join := asyncio.WithMulticastGroup(group, ifi)
		_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return one },
			asyncio.WithLocalAddr(":0"), join)
		if errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skip("no groups on the loopback interface: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		port := one.transport.LocalAddr().(*net.UDPAddr).Port
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, uint16(port)))
		_, service, _ := net.SplitHostPort(one.transport.LocalAddr().String())
		two := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr(":"+service), join)

		sender := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
		raw := must(sender.transport.SyscallConn())
		raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInet4Addr(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, [4]byte{127, 0, 0, 1})
		})
		if err != nil {
			t.Skip("no groups on the loopback interface: ", err)
		}
		sender.send(t, "to all members", to)
		for _, m := range []*mailbox{one, two} {
			m.untilGot(ctx, 1)
			if m.got[0] != "to all members" {
				t.Errorf("got %q", m.got)
			}
		}
		closeMailboxes(t, ctx, one, two, sender)
	})
}
