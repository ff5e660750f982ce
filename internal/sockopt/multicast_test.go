//go:build unix || windows

package sockopt_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/internal/sockopt"
)

func TestJoinGroupRefusesWhatIsNoGroup(t *testing.T) {
	pc := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	defer pc.Close()
	err := control(pc, func(fd uintptr) error {
		return sockopt.JoinGroup(fd, netip.MustParseAddr("127.0.0.1"), nil)
	})
	if err == nil {
		t.Error("127.0.0.1 is a group")
	}
}

func TestJoinGroupTellsAnInterfaceWithoutIPv4(t *testing.T) {
	pc := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	defer pc.Close()
	nowhere := &net.Interface{Index: 1 << 30, Name: "nowhere"}
	err := control(pc, func(fd uintptr) error {
		return sockopt.JoinGroup(fd, netip.MustParseAddr("239.255.77.77"), nowhere)
	})
	if err == nil {
		t.Error("it joined on an interface that is not there")
	}
}

func TestJoinGroupMakesTheSocketAMember(t *testing.T) {
	for _, group := range []netip.Addr{netip.MustParseAddr("239.255.77.78"), netip.MustParseAddr("ff01::7778")} {
		t.Run(group.String(), func(t *testing.T) {
			network := "udp4"
			if group.Is6() {
				network = "udp6"
			}
			loopback := loopbackInterface(t)
			pc, err := net.ListenUDP(network, nil)
			if err != nil {
				t.Skip("no such sockets here: ", err)
			}
			defer pc.Close()
			err = control(pc, func(fd uintptr) error { return sockopt.JoinGroup(fd, group, loopback) })
			for _, absent := range []error{errors.ErrUnsupported, syscall.ENODEV, syscall.EADDRNOTAVAIL} {
				if errors.Is(err, absent) {
					t.Skip("no groups on the loopback interface: ", err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			twice := control(pc, func(fd uintptr) error { return sockopt.JoinGroup(fd, group, loopback) })
			if twice == nil {
				t.Error("it is no member, as it joined again")
			}
		})
	}
}

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
