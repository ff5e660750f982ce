package sharedport_test

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/sharedport"
)

// The sockets of the members are plain TCP, share their port, and what they accept sends
// at once and asks nobody whether he is there.
func TestTheSocketsOfMembersHaveTheirOptions(t *testing.T) {
	p := sharedport.New(2)
	defer p.Close()
	for i := range 2 {
		ln := must(p.Member(i).Listen("tcp4", "127.0.0.1:0"))
		defer ln.Close()
		check(t, ln.(syscall.Conn), unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP)
		check(t, ln.(syscall.Conn), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		if i > 0 {
			continue // a connection may be dealt to either
		}
		alone := sharedport.New(1)
		defer alone.Close()
		own := must(alone.Member(0).Listen("tcp4", "127.0.0.1:0"))
		defer own.Close()
		dialled := must(net.Dial("tcp4", own.Addr().String()))
		defer dialled.Close()
		accepted := must(own.Accept())
		defer accepted.Close()
		check(t, accepted.(syscall.Conn), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		check(t, accepted.(syscall.Conn), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
}

func check(t *testing.T, c syscall.Conn, level, option, want int) {
	t.Helper()
	raw := must(c.SyscallConn())
	var got int
	var err error
	if cerr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), level, option) }); cerr != nil {
		t.Fatal(cerr)
	}
	if err != nil || got != want {
		t.Errorf("option %d is %d, and not %d, %v", option, got, want, err)
	}
}
