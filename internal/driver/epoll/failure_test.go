//go:build linux

package epoll_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

// nextDescriptor returns the number that the next descriptor will have: the same
// as before, when what was opened meanwhile is closed.
func nextDescriptor(t *testing.T) int {
	t.Helper()
	fd, err := unix.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	return fd
}

// withMoreDescriptors calls f while n more descriptors can be opened.
func withMoreDescriptors(t *testing.T, n int, f func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	now := before
	now.Cur = uint64(nextDescriptor(t) + n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// startCat starts a process that ends when w is closed.
func startCat(t *testing.T) (p *os.Process, w *os.File) {
	t.Helper()
	r, w := pipe(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err = os.StartProcess("/bin/cat", []string{"cat"}, &os.ProcAttr{Files: []*os.File{r, null, null}})
	if err != nil {
		t.Skip(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close(); p.Wait() })
	return p, w
}

// An opening is a way to open something on a driver. Prepare makes what is given
// to the driver, which closes it in any case.
type opening struct {
	name    string
	prepare func(t *testing.T, d *epoll.Driver, dir string) (open func() (io.Closer, error))
}

func openings(remote net.Addr) []opening {
	started := func(c driver.Conn, err error) (io.Closer, error) {
		if err != nil {
			return nil, err
		}
		if err := c.Start(&seen{}); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}
	packet := func(spec driver.PacketSpec) func(*testing.T, *epoll.Driver, string) func() (io.Closer, error) {
		return func(_ *testing.T, d *epoll.Driver, dir string) func() (io.Closer, error) {
			if spec.Local == nil {
				spec.Local = &net.UnixAddr{Name: filepath.Join(dir, "grams"), Net: "unixgram"}
			}
			return func() (io.Closer, error) { return d.OpenPacket(spec, &seen{}) }
		}
	}
	return []opening{
		{"connection", func(_ *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			return func() (io.Closer, error) { return d.Dial(driver.DialSpec{Remote: remote}, &seen{}) }
		}},
		{"listener", func(_ *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			return func() (io.Closer, error) { return d.Listen(driver.ListenSpec{Addr: loopback}, &seen{}) }
		}},
		{"unix listener", func(_ *testing.T, d *epoll.Driver, dir string) func() (io.Closer, error) {
			addr := &net.UnixAddr{Name: filepath.Join(dir, "listener"), Net: "unix"}
			return func() (io.Closer, error) { return d.Listen(driver.ListenSpec{Addr: addr}, &seen{}) }
		}},
		{"datagrams", packet(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}})},
		{"unix datagrams", packet(driver.PacketSpec{})},
		{"connection of others", func(t *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			nc, err := net.Dial("tcp", remote.String())
			if err != nil {
				t.Fatal(err)
			}
			return func() (io.Closer, error) { return started(d.FromConn(nc)) }
		}},
		{"listener of others", func(t *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return func() (io.Closer, error) { return d.FromListener(ln, &seen{}) }
		}},
		{"datagrams of others", func(t *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			pc, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return func() (io.Closer, error) { return d.FromPacket(pc, &seen{}) }
		}},
		{"file", func(t *testing.T, d *epoll.Driver, _ string) func() (io.Closer, error) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			w.Close()
			return func() (io.Closer, error) { return started(d.OpenFile(r)) }
		}},
	}
}

// wantNothing opens something that cannot be opened, and checks that this says so
// and leaves nothing behind.
func wantNothing(t *testing.T, d *epoll.Driver, o opening, prevent func(open func())) error {
	t.Helper()
	dir := t.TempDir()
	before := countDescriptors(t)
	do := o.prepare(t, d, dir)
	var c io.Closer
	var err error
	prevent(func() { c, err = do() })
	if err == nil {
		t.Error("it was opened")
		c.Close()
	}
	if after := countDescriptors(t); after != before {
		t.Errorf("%d descriptors were open before, %d are after it", before, after)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
	return err
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func peerOf(t *testing.T) net.Addr {
	t.Helper()
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer.Addr()
}

func TestWhatIsOpenedOnAClosedDriverLeavesNothing(t *testing.T) {
	for _, o := range openings(peerOf(t)) {
		t.Run(o.name, func(t *testing.T) {
			d := open(t)
			d.Close()
			wantNothing(t, d, o, func(open func()) { open() })
			if n := d.Handles(); n != 0 {
				t.Errorf("%d handles are left", n)
			}
		})
	}
}

func TestNothingIsOpenedWithoutDescriptors(t *testing.T) {
	for _, o := range openings(peerOf(t)) {
		t.Run(o.name, func(t *testing.T) {
			d := open(t)
			err := wantNothing(t, d, o, func(open func()) { withMoreDescriptors(t, 0, open) })
			if !errors.Is(err, unix.EMFILE) {
				t.Errorf("the error is %v", err)
			}
			if n := d.Handles(); n != 0 {
				t.Errorf("%d handles are left", n)
			}
		})
	}
	withMoreDescriptors(t, 0, func() {
		if d, err := epoll.New(); !errors.Is(err, unix.EMFILE) {
			t.Errorf("a driver: %v", err)
			if err == nil {
				d.Close()
			}
		}
	})
}

// Whether anybody listens at the node of a unix socket is asked with another
// socket. Where that cannot be had, the node is in use.
func TestADeadNodeStaysWhereNobodyCanBeAskedForIt(t *testing.T) {
	d := open(t)
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}
	dead, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	before := countDescriptors(t)
	withMoreDescriptors(t, 1, func() {
		if l, err := d.Listen(driver.ListenSpec{Addr: addr}, &seen{}); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("got %v, %v", l, err)
		}
	})
	if after := countDescriptors(t); after != before {
		t.Errorf("%d descriptors were open before, %d are after it", before, after)
	}
	l, err := d.Listen(driver.ListenSpec{Addr: addr}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestAClosedDriverDoesNotWait(t *testing.T) {
	d := open(t)
	r, _ := pipe(t)
	p, _ := startCat(t)
	_, watched := pipe(t)
	if err := d.Watch(watched.Fd(), driver.Readable, &seen{}); err != nil {
		t.Fatal(err)
	}
	if d.Close() != nil || d.Close() == nil {
		t.Error("the second Close does not say that it is the second")
	}
	for _, until := range []time.Duration{driver.Forever, d.Now() + time.Hour, driver.Forever} {
		if err := d.Park(until, never); err == nil {
			t.Errorf("Park until %v says that all is well", until)
		}
	}
	if err := d.Poll(); err == nil {
		t.Error("Poll says that all is well")
	}
	if err := d.Watch(r.Fd(), driver.Readable, &seen{}); err == nil {
		t.Error("Watch says that it watches")
	}
	if err := d.Watch(watched.Fd(), driver.Writable, &seen{}); err == nil {
		t.Error("Watch says that it watches for another event")
	}
	if w, err := d.WatchProcess(p, &seen{}); err == nil || w != nil {
		t.Errorf("WatchProcess: %v, %v", w, err)
	}
}

// What cannot be told of room any more does not say that it will be.
func TestADatagramSocketOfAClosedDriverSaysSoWhereItWouldAskForRoom(t *testing.T) {
	for _, full := range []bool{false, true} {
		d := open(t)
		name := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "r"), Net: "unixgram"}
		r, err := d.OpenPacket(driver.PacketSpec{Local: name}, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		w, err := d.OpenPacket(driver.PacketSpec{Remote: name}, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		for err == nil && full { // it asks for room, and is not to ask any more
			_, err = w.WriteTo([]byte("x"), nil)
		}
		d.Close()
		if full {
			if _, _, err := r.ReadFrom(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		for n := 1; n == 1; {
			n, err = w.WriteTo([]byte("x"), nil)
		}
		if err == nil || errors.Is(err, driver.ErrWouldBlock) {
			t.Errorf("full before: %v: the error is %v", full, err)
		}
	}
}

func TestDatagramSocketsHaveAddressesOfOneKind(t *testing.T) {
	d := open(t)
	udp := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	for name, remote := range map[string]net.Addr{
		"of another family": &net.UDPAddr{IP: net.IPv6loopback, Port: 9},
		"of a unix socket":  &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"},
		"of TCP":            &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9},
	} {
		before := countDescriptors(t)
		p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: udp.IP}, Remote: remote}, &seen{})
		var bad *net.AddrError
		if !errors.As(err, &bad) {
			t.Errorf("connected to an address %s: %v, %v", name, p, err)
		}
		if after := countDescriptors(t); after != before {
			t.Errorf("%d descriptors were open before, %d are after it", before, after)
		}
	}
}

func TestWhatIsOpenedIsWatchedUntilItIsClosed(t *testing.T) {
	for _, o := range openings(peerOf(t)) {
		t.Run(o.name, func(t *testing.T) {
			d := open(t)
			before := countDescriptors(t)
			c, err := o.prepare(t, d, t.TempDir())()
			if err != nil {
				t.Fatal(err)
			}
			if n := d.Handles(); n != 1 {
				t.Errorf("%d handles, want 1", n)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a second Close: %v", err)
			}
			if n := d.Handles(); n != 0 {
				t.Errorf("%d handles are left", n)
			}
			if after := countDescriptors(t); after != before {
				t.Errorf("%d descriptors were open before, %d are after it", before, after)
			}
		})
	}
}

func TestAPipeThatIsClosedIsNotWritten(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	c, err := d.OpenFile(w)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Write(nil); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	if n, err := c.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("a byte: %d, %v", n, err)
	}
	c.Close()
	if n, err := c.Write([]byte("y")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %d, %v", n, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %d, %v", n, err)
	}
	if got, err := io.ReadAll(r); string(got) != "x" || err != nil {
		t.Errorf("the other end read %q, %v", got, err)
	}
}

func TestAnotherHandlerTakesTheFirstOnesPlace(t *testing.T) {
	d := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var first, second seen
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &first)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, d, func() bool { return first.events != 0 })
	first.events = 0
	if err := c.Start(&second); err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.Close()
	until(t, d, func() bool { return second.events != 0 })
	if first.events != 0 {
		t.Errorf("the first one was told of %b", first.events)
	}
}

// A wait ends at its time, and not before, also when it was ended once by a Wake.
func TestAWaitIsNotCutShortByAnEarlierWake(t *testing.T) {
	d := open(t)
	until := d.Now() + 50*time.Millisecond
	woken := false
	if err := d.Park(until, func() bool { woken = true; d.Wake(); return false }); err != nil || !woken {
		t.Fatal(woken, err)
	}
	for range 2 { // one late wake-up is allowed
		if err := d.Park(until, never); err != nil {
			t.Fatal(err)
		}
	}
	if now := d.Now(); now < until {
		t.Errorf("it ended %v early", until-now)
	}
}

func TestAllOptionsOfADatagramSocketAreSetTogether(t *testing.T) {
	d := open(t)
	p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Broadcast: true, ReuseAddr: true, ReusePort: true}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []int{unix.SO_BROADCAST, unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if option(t, p, unix.SOL_SOCKET, name) == 0 {
			t.Errorf("option %d is not set", name)
		}
	}
}
