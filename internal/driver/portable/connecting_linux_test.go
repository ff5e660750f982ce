package portable_test

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// fullUnixListener returns a unix socket that takes one connection more than it has
// accepted, and that one.
func fullUnixListener(t *testing.T) (ln *net.UnixListener, addr *net.UnixAddr, first net.Conn) {
	t.Helper()
	addr = &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: addr.Name}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if first, err = net.Dial("unix", addr.Name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close() })
	if _, err := net.Dial("unix", addr.Name); err == nil {
		t.Skip("it takes more")
	}
	return l.(*net.UnixListener), addr, first
}

// The system says at once that a unix socket has no room; whoever connects waits all
// the same.
func TestAConnectionToAFullUnixListenerIsMadeWhenThereIsRoom(t *testing.T) {
	d := newDriver(t)
	ln, addr, _ := fullUnixListener(t)
	var n notes
	c, err := d.Dial(driver.DialSpec{Remote: addr}, &n)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.Park(d.Now()+time.Millisecond, never); err != nil {
			t.Fatal(err)
		}
		if err := c.ConnectError(); err != driver.ErrWouldBlock {
			t.Fatalf("without room it ended with %v", err)
		}
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	if err := c.ConnectError(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestWaitingForAFullUnixListenerEndsWithTheConnection(t *testing.T) {
	d := newDriver(t)
	_, addr, _ := fullUnixListener(t)
	c, err := d.Dial(driver.DialSpec{Remote: addr}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil { // which waits for what is at work
		t.Error(err)
	}
}

// What a driver's goroutine has not read is read away in the system.
func TestDiscardReadsAwayWhatTheSystemHas(t *testing.T) {
	d := newDriver(t)
	c, n, peer := tcpPair(t, d)
	const sent = 40 << 10
	if _, err := peer.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	count := func(of syscall.Conn, what uint) (k int) {
		raw, err := of.SyscallConn()
		if err == nil {
			raw.Control(func(fd uintptr) { k, err = unix.IoctlGetInt(int(fd), what) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	waiting := func() int { return count(c.(syscall.Conn), unix.SIOCINQ) }
	// A goroutine takes the first piece, and no more before that is read.
	until(t, d, func() bool { return n.seen&driver.Readable != 0 })
	for limit := d.Now() + 20*time.Second; count(peer, unix.SIOCOUTQ) > 0; { // of which nobody tells
		if err := d.Park(d.Now()+time.Millisecond, never); err != nil || d.Now() > limit {
			t.Fatal("what was sent does not come", err)
		}
	}
	if waiting() == 0 {
		t.Fatal("the driver has taken all")
	}
	c.Discard(make([]byte, 1000))
	if k := waiting(); k != 0 {
		t.Errorf("%d bytes are left", k)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	peer.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("the peer read something")
	}
	c.Discard(make([]byte, 1000)) // of what is closed
}

// A listener of package net may be one of MPTCP, which other drivers' are not.
func TestSocketsAreOfPlainTCP(t *testing.T) {
	d := newDriver(t)
	l, err := d.Listen(driver.ListenSpec{Addr: loopback4}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, _, _ := tcpPair(t, d)
	defer c.Close()
	for name, of := range map[string]syscall.Conn{"a listener": l, "a connection": c} {
		raw, err := of.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		protocol, keepAlive := 0, 0
		cerr := raw.Control(func(fd uintptr) {
			protocol, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
			if err == nil {
				keepAlive, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			}
		})
		if protocol != unix.IPPROTO_TCP || keepAlive != 0 || err != nil || cerr != nil {
			t.Errorf("%s: protocol %d, keep-alive %d, %v, %v", name, protocol, keepAlive, err, cerr)
		}
	}
}
