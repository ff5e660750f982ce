//go:build linux

package epoll

import (
	"math"
	"net"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// loopbackInterface is the machine's own.
func loopbackInterface(t *testing.T) *net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return &i
		}
	}
	t.Skip("no loopback interface here")
	return nil
}

func TestZonesAreInterfacesByNameOrNumber(t *testing.T) {
	lo := loopbackInterface(t)
	for zone, want := range map[string]uint32{
		"": 0, lo.Name: uint32(lo.Index), "77": 77, strconv.Itoa(lo.Index): uint32(lo.Index), "no such interface": 0, "-1": 0,
		"4294967297": math.MaxUint32, // and not the first
	} {
		if got := zoneID(zone); got != want {
			t.Errorf("the zone %q is number %d, want %d", zone, got, want)
		}
	}
	for id, want := range map[uint32]string{0: "", uint32(lo.Index): lo.Name, 1<<31 - 2: "2147483646"} {
		if got := zoneName(id); got != want {
			t.Errorf("the zone with number %d is %q, want %q", id, got, want)
		}
	}
}

func TestAddressesGoToTheKernelAndBack(t *testing.T) {
	lo := loopbackInterface(t)
	for _, c := range []struct {
		addr   net.Addr
		family int
		kind   int
		want   string // if it comes back as another
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, unix.AF_INET, unix.SOCK_STREAM, ""},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443}, unix.AF_INET6, unix.SOCK_STREAM, ""},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 443, Zone: lo.Name}, unix.AF_INET6, unix.SOCK_STREAM, ""},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, unix.AF_INET6, unix.SOCK_STREAM, "127.0.0.1:80"},
		{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}, unix.AF_INET, unix.SOCK_DGRAM, ""},
		{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}, unix.AF_INET6, unix.SOCK_DGRAM, "127.0.0.1:53"},
		{&net.UDPAddr{IP: net.ParseIP("fe80::2"), Port: 53, Zone: lo.Name}, unix.AF_INET6, unix.SOCK_DGRAM, ""},
		{&net.UnixAddr{Name: "/run/x", Net: "unixgram"}, unix.AF_UNIX, unix.SOCK_DGRAM, ""},
	} {
		sa, err := Sockaddr(c.addr, c.family)
		if err != nil {
			t.Errorf("%v for family %d: %v", c.addr, c.family, err)
			continue
		}
		want := c.want
		if want == "" {
			want = c.addr.String()
		}
		if got := Addr(sa, c.kind); got == nil || got.Network() != c.addr.Network() || got.String() != want {
			t.Errorf("%v for family %d came back as %v", c.addr, c.family, got)
		}
	}
}

func TestAddressOfAnotherFamilyIsRefused(t *testing.T) {
	six := &net.UDPAddr{IP: net.IPv6loopback, Port: 1}
	if sa, err := Sockaddr(six, unix.AF_INET); err == nil || sa != nil {
		t.Errorf("an IPv6 address for an IPv4 socket gave %v, %v", sa, err)
	}
	if sa, err := Sockaddr(six, unix.AF_UNIX); err == nil || sa != nil {
		t.Errorf("an IPv6 address for a unix socket gave %v, %v", sa, err)
	}
	if sa, err := Sockaddr(&net.IPAddr{}, unix.AF_INET); err == nil || sa != nil {
		t.Errorf("an address without a port gave %v, %v", sa, err)
	}
}

func TestSocketWithoutANameHasNoAddress(t *testing.T) {
	if a := Addr(&unix.SockaddrUnix{}, unix.SOCK_DGRAM); a != nil {
		t.Errorf("it is %v", a)
	}
	if a := Addr(nil, unix.SOCK_STREAM); a != nil {
		t.Errorf("it is %v", a)
	}
	if a := Addr(nil, unix.SOCK_DGRAM); a != nil {
		t.Errorf("it is %v", a)
	}
	if a := (&peer{}).addr(); a != nil {
		t.Errorf("the peer is %v", a)
	}
}
