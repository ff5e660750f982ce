//go:build linux

package epoll_test

import (
	"errors"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// putInPlace returns a Control that puts another descriptor in the place of the
// socket that was made, so that the system refuses what comes next.
func putInPlace(t *testing.T, fd int) driver.Control {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(old uintptr) {
			if err := unix.Dup3(fd, int(old), unix.O_CLOEXEC); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEachRefusalOfTheSystemIsAnErrorThatNamesTheCall(t *testing.T) {
	d := open(t)
	r, _ := pipe(t)
	notASocket := putInPlace(t, int(r.Fd()))
	datagrams, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(datagrams)
	remote := peerOf(t)
	udp := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	for _, c := range []struct {
		call string
		open func() (any, error)
	}{
		{"listen", func() (any, error) {
			return d.Listen(driver.ListenSpec{Addr: loopback, Control: putInPlace(t, datagrams)}, &seen{})
		}},
		{"setsockopt", func() (any, error) {
			return d.Listen(driver.ListenSpec{Addr: loopback, Control: notASocket}, &seen{})
		}},
		{"bind", func() (any, error) {
			return d.Listen(driver.ListenSpec{Addr: &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unix"}, Control: notASocket}, &seen{})
		}},
		{"connect", func() (any, error) {
			return d.Dial(driver.DialSpec{Remote: remote, Control: notASocket}, &seen{})
		}},
		{"bind", func() (any, error) {
			return d.Dial(driver.DialSpec{Remote: remote, Local: loopback, Control: notASocket}, &seen{})
		}},
		{"bind", func() (any, error) {
			return d.OpenPacket(driver.PacketSpec{Local: udp, Control: notASocket}, &seen{})
		}},
		{"connect", func() (any, error) {
			return d.OpenPacket(driver.PacketSpec{Remote: udp, Control: notASocket}, &seen{})
		}},
	} {
		before := countDescriptors(t)
		_, err := c.open()
		var call *os.SyscallError
		if !errors.As(err, &call) || call.Syscall != c.call {
			t.Errorf("where %s is refused: %v", c.call, err)
		}
		if after := countDescriptors(t); after != before || d.Handles() != 0 {
			t.Errorf("where %s is refused: %d descriptors were open before, %d are after it, %d handles", c.call, before, after, d.Handles())
		}
	}
}

func TestAnAddressThatIsNoneOpensNothing(t *testing.T) {
	d := open(t)
	var missing *net.AddrError
	if p, err := d.OpenPacket(driver.PacketSpec{}, &seen{}); p != nil || !errors.As(err, &missing) || missing.Err != "missing address" {
		t.Errorf("datagrams: %v, %v", p, err)
	}
	if p, err := d.OpenPacket(driver.PacketSpec{Local: &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)}}, &seen{}); p != nil || !errors.As(err, &missing) || missing.Addr != "127.0.0.1" {
		t.Errorf("datagrams without a port: %v, %v", p, err)
	}
	udp := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	if c, err := d.Dial(driver.DialSpec{Remote: udp}, &seen{}); c != nil || err == nil || !strings.Contains(err.Error(), "*net.UDPAddr") {
		t.Errorf("a connection to an address of datagrams: %v, %v", c, err)
	}
	if c, err := d.Dial(driver.DialSpec{Remote: loopback, Local: udp}, &seen{}); c != nil || err == nil || !strings.Contains(err.Error(), "*net.UDPAddr") {
		t.Errorf("a connection from an address of datagrams: %v, %v", c, err)
	}
	if l, err := d.Listen(driver.ListenSpec{Addr: udp}, &seen{}); l != nil || err == nil || !strings.Contains(err.Error(), "*net.UDPAddr") {
		t.Errorf("a listener at an address of datagrams: %v, %v", l, err)
	}
	six := &net.TCPAddr{IP: net.IPv6loopback, Port: 1}
	if c, err := d.Dial(driver.DialSpec{Remote: six, Local: loopback}, &seen{}); c != nil || err == nil {
		t.Errorf("a connection from another family: %v, %v", c, err)
	}
}

func TestWhatIsAlwaysReadyIsNotWaitedFor(t *testing.T) {
	d := open(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.OpenFile(null)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(&seen{}); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "always ready") {
		t.Errorf("Start gave %v", err)
	}
	c.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := d.OpenFile(dir); c != nil || err == nil {
		t.Errorf("a directory: %v, %v", c, err)
	}
}

func TestADriverOwnsWhatItHasOpenedAndNotWhatItWatches(t *testing.T) {
	d := open(t)
	c, err := d.Dial(driver.DialSpec{Remote: peerOf(t)}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	var own uintptr
	onDescriptor(t, c, func(fd int) { own = uintptr(fd) })
	r, w := pipe(t)
	watched, other := r.Fd(), w.Fd()
	if err := d.Watch(watched, driver.Readable, &seen{}); err != nil {
		t.Fatal(err)
	}
	for fd, want := range map[uintptr]bool{own: true, watched: false, other: false, 100000: false, math.MaxInt32: false, math.MaxInt32 + 1: false, math.MaxUint: false} {
		if got := d.Owns(fd); got != want {
			t.Errorf("it owns %d: %v", fd, got)
		}
	}
	c.Close()
	if d.Owns(own) {
		t.Error("it owns what is closed")
	}
	if err := d.Watch(math.MaxInt32+1, driver.Readable, &seen{}); !errors.Is(err, unix.EBADF) {
		t.Errorf("a number that is none: %v", err)
	}
}

func TestAFileIsNotSentOnAConnectionThatIsClosed(t *testing.T) {
	d := open(t)
	conn, err := d.Dial(driver.DialSpec{Remote: peerOf(t)}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(driver.FileSender)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("something")
	until(t, d, func() bool { return conn.ConnectError() == nil })
	if n, err := c.SendFile(f, 4, 3); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := c.SendFile(f, 9, 3); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := c.SendFile(f, -1, 3); n != 0 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("from before the beginning: %d, %v", n, err)
	}
	f.Close()
	if n, err := c.SendFile(f, 0, 3); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a file that is closed: %d, %v", n, err)
	}
	conn.Close()
	if n, err := c.SendFile(f, 0, 3); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("on what is closed: %d, %v", n, err)
	}
}

// A wait that was ended by an event leaves no limit for the next one.
func TestAWaitIsNotCutShortByTheLimitOfTheOneBefore(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	var s seen
	if err := d.Watch(r.Fd(), driver.Readable, &s); err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	limit := d.Now() + 20*time.Millisecond
	if err := d.Park(limit, never); err != nil || s.events == 0 {
		t.Fatal(s.events, err)
	}
	r.Read(make([]byte, 1))
	var woken atomic.Bool
	time.AfterFunc(50*time.Millisecond, func() { woken.Store(true); d.Wake() })
	if err := d.Park(driver.Forever, never); err != nil || !woken.Load() {
		t.Errorf("it ended after %v, woken: %v, %v", d.Now()-limit, woken.Load(), err)
	}
	if err := d.Watch(r.Fd(), 0, &s); err != nil {
		t.Error(err)
	}
}

// All of it may be closed by the first that is told of something.
func TestAHandlerMayCloseWhatIsStillToBeToldOfSomething(t *testing.T) {
	d := open(t)
	var told int
	var all []driver.Conn
	closer := handlerFunc(func(driver.Event) {
		told++
		for _, c := range all {
			c.Close()
		}
	})
	for range 3 {
		r, w := pipe(t)
		c, err := d.OpenFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(closer); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		w.WriteString("x")
	}
	if err := d.Poll(); err != nil || told != 1 || d.Handles() != 0 {
		t.Errorf("%d were told, %d handles are left, %v", told, d.Handles(), err)
	}
}

type handlerFunc func(driver.Event)

func (f handlerFunc) Ready(e driver.Event) { f(e) }

// What takes the number of one that was closed does not get its events, also when
// both happens while events are told.
func TestANewDescriptorGetsNoEventOfTheOneThatHadItsNumber(t *testing.T) {
	d := open(t)
	r1, w1 := pipe(t)
	r2, w2 := pipe(t)
	r3, _ := pipe(t)
	var second, third driver.Conn
	var s seen
	first, err := d.OpenFile(r1)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err = d.OpenFile(r2); err != nil {
		t.Fatal(err)
	}
	err = first.Start(handlerFunc(func(driver.Event) {
		var before, after int
		onDescriptor(t, second, func(fd int) { before = fd })
		second.Close()
		if third, err = d.OpenFile(r3); err != nil {
			t.Fatal(err)
		}
		if onDescriptor(t, third, func(fd int) { after = fd }); after != before {
			t.Skip("it has another number")
		}
		if err := third.Start(&s); err != nil {
			t.Error(err)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(&seen{}); err != nil {
		t.Fatal(err)
	}
	w1.WriteString("x")
	w2.WriteString("x")
	if err := d.Poll(); err != nil || third == nil || s.events != 0 {
		t.Errorf("the third was told of %b, %v", s.events, err)
	}
	third.Close()
}

// A number that was watched, was closed by its owner and comes again for a handle
// of the driver's is counted once.
func TestANumberThatWasWatchedMayComeAgain(t *testing.T) {
	d := open(t)
	r, _ := pipe(t)
	number := r.Fd()
	if err := d.Watch(number, driver.Readable, &seen{}); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r2, _ := pipe(t)
	c, err := d.OpenFile(r2)
	if err != nil {
		t.Fatal(err)
	}
	same := false
	onDescriptor(t, c, func(fd int) { same = uintptr(fd) == number })
	if !same { // make it so
		c.Close()
		t.Skip("it has another number")
	}
	if err := c.Start(&seen{}); err != nil {
		t.Fatal(err)
	}
	if n := d.Handles(); n != 1 || !d.Owns(number) {
		t.Errorf("%d handles, its own: %v", n, d.Owns(number))
	}
	c.Close()
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

func TestHowConnectingHasEndedIsNotHowTheConnectionEnds(t *testing.T) {
	d := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var s seen
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, d, func() bool { return s.events&driver.Writable != 0 })
	if err := c.ConnectError(); err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.(*net.TCPConn).SetLinger(0)
	peer.Close()
	until(t, d, func() bool { return s.events&driver.Hangup != 0 })
	if err := c.ConnectError(); err != nil {
		t.Errorf("ConnectError gave %v", err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("Read gave %d, %v", n, err)
	}
	if n, err := c.Writev([][]byte{{1}, {2}}); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("Writev gave %d, %v", n, err)
	}
	if n, err := c.Write([]byte{1}); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("Write gave %d, %v", n, err)
	}
	if err := c.CloseWrite(); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("CloseWrite gave %v", err)
	}
}

func TestConnectErrorSaysThatConnectingGoesOn(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}
	d := open(t)
	var last error
	for range 5 { // the listener has room for one
		c, err := d.Dial(driver.DialSpec{Remote: remote}, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		last = c.ConnectError()
	}
	if last != driver.ErrWouldBlock {
		t.Errorf("ConnectError gave %v", last)
	}
}

func TestControlIsToldTheFamily(t *testing.T) {
	d := open(t)
	dir := t.TempDir()
	for network, open := range map[string]func(driver.Control) error{
		"tcp4": func(c driver.Control) error {
			_, err := d.Listen(driver.ListenSpec{Addr: loopback, Control: c}, &seen{})
			return err
		},
		"tcp6": func(c driver.Control) error {
			_, err := d.Listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv6loopback}, Control: c}, &seen{})
			return err
		},
		"udp4": func(c driver.Control) error {
			_, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: c}, &seen{})
			return err
		},
		"udp6": func(c driver.Control) error {
			_, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6loopback}, Control: c}, &seen{})
			return err
		},
		"unix": func(c driver.Control) error {
			_, err := d.Listen(driver.ListenSpec{Addr: &net.UnixAddr{Name: dir + "/a", Net: "unix"}, Control: c}, &seen{})
			return err
		},
		"unixgram": func(c driver.Control) error {
			_, err := d.OpenPacket(driver.PacketSpec{Local: &net.UnixAddr{Name: dir + "/b", Net: "unixgram"}, Control: c}, &seen{})
			return err
		},
	} {
		told := ""
		err := open(func(network, _ string, c syscall.RawConn) error { told = network; return errControl })
		if told != network || err != errControl {
			t.Errorf("%s: it was told %q, %v", network, told, err)
		}
	}
}

func TestABacklogIsThatWhichIsAskedForOrTheMost(t *testing.T) {
	d := open(t)
	most, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Skip(err)
	}
	for backlog, want := range map[int]string{0: strings.TrimSpace(string(most)), -1: strings.TrimSpace(string(most)), 1: "1", 2: "2"} {
		l, err := d.Listen(driver.ListenSpec{Addr: loopback, Backlog: backlog}, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		onDescriptor(t, l, func(fd int) {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Fatal(err)
			}
			if got := strconv.Itoa(int(info.Sacked)); got != want { // which is what the kernel says it there
				t.Errorf("the backlog of %d is %s", backlog, got)
			}
		})
		l.Close()
	}
}

func TestAConnectionOfAUnixListenerHasTheListenersAddress(t *testing.T) {
	d := open(t)
	addr := &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unix"}
	l, err := d.Listen(driver.ListenSpec{Addr: addr}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("unix", addr.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if c.LocalAddr() != l.Addr() {
		t.Errorf("it is at %v, the listener at %v", c.LocalAddr(), l.Addr())
	}
	c.Close()
	if c.LocalAddr() != l.Addr() {
		t.Errorf("it was at %v", c.LocalAddr())
	}
}

// Another process may have a copy of a descriptor that is closed here.
func TestWhatHappensToACopyOfADescriptorThatIsClosedWakesNobody(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	c, err := d.OpenFile(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(&seen{}); err != nil {
		t.Fatal(err)
	}
	var copied int
	onDescriptor(t, c, func(fd int) {
		if copied, err = unix.Dup(fd); err != nil {
			t.Fatal(err)
		}
	})
	defer unix.Close(copied)
	c.Close()
	w.WriteString("x")
	limit := d.Now() + 20*time.Millisecond
	if err := d.Park(limit, never); err != nil || d.Now() < limit {
		t.Errorf("it woke %v early, %v", limit-d.Now(), err)
	}
}

func TestADatagramSocketOfOthersGoesOnWithItsPeer(t *testing.T) {
	d := open(t)
	dir := t.TempDir()
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/a", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	pc, err := net.DialUnix("unixgram", &net.UnixAddr{Name: dir + "/b", Net: "unixgram"}, server.LocalAddr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.FromPacket(pc, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if a := p.RemoteAddr(); a == nil || a.String() != dir+"/a" {
		t.Errorf("the peer is %v", a)
	}
	if n, _, err := p.ReadFrom(make([]byte, 10)); n != 0 || err != driver.ErrWouldBlock {
		t.Errorf("ReadFrom gave %d, %v", n, err)
	}
	if n, err := p.WriteTo([]byte("hello"), nil); n != 5 || err != nil {
		t.Errorf("WriteTo gave %d, %v", n, err)
	}
	b := make([]byte, 10)
	if n, err := server.Read(b); string(b[:n]) != "hello" || err != nil {
		t.Errorf("the peer read %q, %v", b[:n], err)
	}
}

func TestWhatCannotBeWatchedIsAnError(t *testing.T) {
	d := open(t)
	if c, err := d.FromConn(&net.TCPConn{}); c != nil || !errors.Is(err, unix.EINVAL) {
		t.Errorf("a connection that is none: %v, %v", c, err)
	}
	p, w := startCat(t)
	w.Close()
	p.Wait()
	if watch, err := d.WatchProcess(p, &seen{}); watch != nil || err == nil {
		t.Errorf("a process that was waited for: %v, %v", watch, err)
	}
	r, _ := pipe(t)
	h := &seen{}
	if err := d.Watch(r.Fd(), driver.Readable, h); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := d.Watch(r.Fd(), driver.Readable|driver.Writable, h); err == nil {
		t.Error("a closed driver watches")
	}
}

// A number that was watched, was closed and has come again is watched anew.
func TestAWatchOfANumberThatHasComeAgainIsOne(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	number := int(r.Fd())
	h := &seen{}
	if err := d.Watch(uintptr(number), driver.Readable, h); err != nil {
		t.Fatal(err)
	}
	other, w2 := pipe(t)
	if err := unix.Dup3(int(other.Fd()), number, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for range 2 {
		if err := d.Watch(uintptr(number), driver.Readable, h); err != nil {
			t.Fatal(err)
		}
		if n := d.Handles(); n != 1 {
			t.Errorf("%d handles", n)
		}
	}
	w2.WriteString("x")
	if err := d.Poll(); err != nil || h.events&driver.Readable == 0 {
		t.Errorf("told of %b, %v", h.events, err)
	}
	if err := d.Watch(uintptr(number), 0, h); err != nil || d.Handles() != 0 {
		t.Errorf("%d handles are left, %v", d.Handles(), err)
	}
}
