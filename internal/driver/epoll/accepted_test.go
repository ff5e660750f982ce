//go:build linux

package epoll_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

// visit connects to the listener, and returns what it accepts and the peer.
func visit(t *testing.T, d *epoll.Driver, l driver.Listener, port int) (driver.Conn, net.Conn) {
	t.Helper()
	peer, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	var c driver.Conn
	until(t, d, func() bool {
		c, err = l.Accept()
		if err != nil && err != driver.ErrWouldBlock {
			t.Fatal(err)
		}
		return err == nil
	})
	return c, peer
}

func listen(t *testing.T, d *epoll.Driver, spec driver.ListenSpec) (l driver.Listener, port int) {
	t.Helper()
	l, err := d.Listen(spec, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

// The address is known after the end also where nobody has asked for it before: as
// that of the listener, or where it listens on all, as the system's.
func TestTheAddressOfAConnectionIsKnownWhenItIsClosed(t *testing.T) {
	for _, at := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4zero, net.IPv6unspecified} {
		for _, asked := range []string{"nothing", "remote", "local"} {
			t.Run(at.String()+" "+asked, func(t *testing.T) {
				d := open(t)
				l, port := listen(t, d, driver.ListenSpec{Addr: &net.TCPAddr{IP: at}})
				one, onesPeer := visit(t, d, l, port)
				other, othersPeer := visit(t, d, l, port)
				for _, c := range []driver.Conn{one, other} {
					if asked == "remote" {
						c.RemoteAddr()
					}
					if asked == "local" {
						c.LocalAddr()
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
				}
				for c, peer := range map[driver.Conn]net.Conn{one: onesPeer, other: othersPeer} {
					if c.LocalAddr().String() != peer.RemoteAddr().String() || c.RemoteAddr().String() != peer.LocalAddr().String() {
						t.Errorf("it was from %v to %v, its peer from %v to %v", c.LocalAddr(), c.RemoteAddr(), peer.LocalAddr(), peer.RemoteAddr())
					}
				}
				if d.Handles() != 1 {
					t.Errorf("%d handles are left", d.Handles())
				}
			})
		}
	}
}

// What is accepted inherits it of the listener, if that has it: not where somebody has
// taken it away, nor with multipath TCP.
func TestEachConnectionSendsAtOnceWhateverTheListenerDoes(t *testing.T) {
	waits := func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 0); err != nil {
				t.Error(err)
			}
		})
	}
	takenOver := func(d *epoll.Driver, multipath bool) (driver.Listener, int) {
		var config net.ListenConfig
		config.SetMultipathTCP(multipath)
		ln, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.FromListener(ln, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l, l.Addr().(*net.TCPAddr).Port
	}
	for name, opened := range map[string]func(d *epoll.Driver) (driver.Listener, int){
		"plain": func(d *epoll.Driver) (driver.Listener, int) { return listen(t, d, driver.ListenSpec{Addr: loopback}) },
		"with a Control": func(d *epoll.Driver) (driver.Listener, int) {
			return listen(t, d, driver.ListenSpec{Addr: loopback, Control: waits})
		},
		"taken over":      func(d *epoll.Driver) (driver.Listener, int) { return takenOver(d, false) },
		"multipath":       func(d *epoll.Driver) (driver.Listener, int) { return takenOver(d, true) },
		"changed between": func(d *epoll.Driver) (driver.Listener, int) { return listen(t, d, driver.ListenSpec{Addr: loopback}) },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			l, port := opened(d)
			for i := range 3 {
				c, _ := visit(t, d, l, port)
				defer c.Close()
				if option(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY) == 0 {
					t.Errorf("connection %d waits with what is small", i)
				}
				if name == "changed between" && i == 0 {
					onDescriptor(t, l, func(fd int) {
						if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0); err != nil {
							t.Error(err)
						}
					})
				}
			}
		})
	}
}

// Who has had the descriptor may have a copy of it, which lives on.
func TestWhatHappensToACopyOfAConnectionThatIsClosedWakesNobody(t *testing.T) {
	d := open(t)
	l, port := listen(t, d, driver.ListenSpec{Addr: loopback})
	c, peer := visit(t, d, l, port)
	if err := c.Start(&seen{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Poll(); err != nil { // that there is room for writing is told once
		t.Fatal(err)
	}
	copied := -1
	onDescriptor(t, c, func(fd int) {
		var err error
		if copied, err = unix.Dup(fd); err != nil {
			t.Fatal(err)
		}
	})
	defer unix.Close(copied)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	limit := d.Now() + 20*time.Millisecond
	if err := d.Park(limit, never); err != nil || d.Now() < limit {
		t.Errorf("it woke %v early, %v", limit-d.Now(), err)
	}
}
