//go:build linux

package epoll_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

func open(t *testing.T) *epoll.Driver {
	t.Helper()
	d, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// seen is a handler that takes note.
type seen struct{ events driver.Event }

func (s *seen) Ready(e driver.Event) { s.events |= e }

func never() bool { return false }

// until parks until ok.
func until(t *testing.T, d *epoll.Driver, ok func() bool) {
	t.Helper()
	for end := d.Now() + 10*time.Second; !ok(); {
		if d.Now() > end {
			t.Fatal("waited in vain")
		}
		if err := d.Park(end, never); err != nil {
			t.Fatal(err)
		}
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// A loop whose timers are always due parks without sleeping, and is to hear of
// its descriptors all the same.
func TestParkWhoseTimeIsOverTellsWhatHasHappened(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	var s seen
	if err := d.Watch(r.Fd(), driver.Readable, &s); err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	if err := d.Park(d.Now()-time.Second, never); err != nil {
		t.Fatal(err)
	}
	if s.events != driver.Readable {
		t.Errorf("it told of %b", s.events)
	}
}

func TestUnixSocketForDatagramsTellsOfRoomOnlyWhileThereIsNone(t *testing.T) {
	d := open(t)
	dir := t.TempDir()
	name := func(s string) *net.UnixAddr { return &net.UnixAddr{Name: filepath.Join(dir, s), Net: "unixgram"} }
	var rs, ws seen
	r, err := d.OpenPacket(driver.PacketSpec{Local: name("r")}, &rs)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := d.OpenPacket(driver.PacketSpec{Remote: name("r")}, &ws)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	empty := func() {
		t.Helper()
		for {
			if _, _, err := r.ReadFrom(make([]byte, 10)); errors.Is(err, driver.ErrWouldBlock) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 { // as often as there is none
		sent := 0
		for ; ; sent++ {
			n, err := w.WriteTo([]byte("x"), nil)
			if errors.Is(err, driver.ErrWouldBlock) {
				break
			}
			if err != nil || n != 1 {
				t.Fatalf("sent %d bytes, %v", n, err)
			}
		}
		if sent == 0 {
			t.Fatal("no room at all")
		}
		ws.events = 0
		empty()
		until(t, d, func() bool { return ws.events&driver.Writable != 0 })
		if _, err := w.WriteTo([]byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		ws.events = 0
		empty()
		if err := d.Poll(); err != nil {
			t.Fatal(err)
		}
		if ws.events != 0 {
			t.Errorf("it told of %b, which nobody had asked for", ws.events)
		}
	}
}

// A program that was started without a standard input gets its number for the
// first descriptor that it opens.
func TestDescriptorZeroIsOneLikeAnyOther(t *testing.T) {
	saved, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Skip("there is no standard input to put aside:", err)
	}
	defer func() {
		if err := unix.Dup3(saved, 0, 0); err != nil {
			t.Error(err)
		}
		unix.Close(saved)
	}()
	d := open(t)
	free := func() { unix.Close(0) }
	fill := func() { // so that nothing of the test's own gets the number
		if err := unix.Dup3(saved, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	is0 := func(c syscall.Conn) bool {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		is := false
		if err := raw.Control(func(fd uintptr) { is = fd == 0 }); err != nil {
			t.Fatal(err)
		}
		return is
	}
	var hs, cs, ps seen

	free()
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	ln, err := d.Listen(driver.ListenSpec{Addr: loopback}, &hs)
	if err != nil {
		t.Fatal(err)
	}
	if !is0(ln) {
		t.Fatal("the listener has another number")
	}
	if _, err := ln.Accept(); !errors.Is(err, driver.ErrWouldBlock) {
		t.Errorf("Accept gave %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}

	fill()
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	free()
	c, err := d.Dial(driver.DialSpec{Remote: peer.Addr()}, &cs)
	if err != nil {
		t.Fatal(err)
	}
	if !is0(c) {
		t.Fatal("the connection has another number")
	}
	until(t, d, func() bool { return cs.events&driver.Writable != 0 })
	if err := c.ConnectError(); err != nil {
		t.Error(err)
	}
	if c.LocalAddr() == nil {
		t.Error("no address")
	}
	nc, err := peer.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if n, err := c.Write([]byte("one")); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := c.Writev([][]byte{[]byte("two")}); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("file")
	if n, err := c.(driver.FileSender).SendFile(file, 0, 4); n != 4 || err != nil {
		t.Errorf("sent %d bytes of a file, %v", n, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(nc); string(got) != "onetwofile" || err != nil {
		t.Errorf("the peer read %q, %v", got, err)
	}
	nc.Write([]byte("three"))
	cs.events = 0
	p := make([]byte, 10)
	n, err := c.Read(p)
	for errors.Is(err, driver.ErrWouldBlock) {
		cs.events = 0
		until(t, d, func() bool { return cs.events != 0 })
		n, err = c.Read(p)
	}
	if string(p[:n]) != "three" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	c.Reset()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := nc.Write(p); err == nil {
		t.Error("the peer was not told of the reset")
	}

	fill()
	free()
	u, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}, &ps)
	if err != nil {
		t.Fatal(err)
	}
	if !is0(u) {
		t.Fatal("the datagram socket has another number")
	}
	if _, err := u.WriteTo([]byte("x"), u.LocalAddr()); err != nil {
		t.Error(err)
	}
	if n, _, err := u.ReadFrom(p); n != 1 || err != nil {
		t.Errorf("received %d bytes, %v", n, err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}

	fill()
	r, w := pipe(t)
	free()
	f, err := d.OpenFile(r)
	if err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	if n, err := f.Read(p); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("read %d bytes of nothing, %v", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}

	fill()
	r2, w2 := pipe(t)
	free()
	if f, err = d.OpenFile(w2); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("y")); n != 1 || err != nil {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	r2.Close()
	if err := f.Close(); err != nil {
		t.Error(err)
	}

	fill()
	p1, _ := startCat(t)
	free()
	again, err := os.FindProcess(p1.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	watch, err := d.WatchProcess(again, &ps)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Handles(); n != 1 {
		t.Errorf("%d handles, want 1", n)
	}
	if err := watch.Close(); err != nil {
		t.Error(err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

// The master of a terminal whose other side has gone fails with EIO; that is how
// Linux tells the end. Of anything else EIO is an error.
func TestTerminalEndsWhenItsOtherSideHasGone(t *testing.T) {
	d := open(t)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	slave.WriteString("last words")
	c, err := d.OpenFile(master)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var s seen
	if err := c.Start(&s); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var got bytes.Buffer
	for {
		p := make([]byte, 100)
		s.events = 0
		n, err := c.Read(p)
		got.Write(p[:n])
		if errors.Is(err, driver.ErrWouldBlock) {
			until(t, d, func() bool { return s.events != 0 })
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != "last words" {
		t.Errorf("read %q", got.String())
	}
}

// foreign are what has no descriptor of its own.
type foreignListener struct {
	net.Listener
	closed bool
}

func (l *foreignListener) Close() error { l.closed = true; return l.Listener.Close() }

type foreignPacket struct {
	net.PacketConn
	closed bool
}

func (p *foreignPacket) Close() error { p.closed = true; return p.PacketConn.Close() }

func TestWhatHasNoDescriptorIsNotTakenOverButClosed(t *testing.T) {
	d := open(t)
	a, b := net.Pipe()
	defer b.Close()
	if c, err := d.FromConn(a); !errors.Is(err, errors.ErrUnsupported) || c != nil {
		t.Errorf("a pipe in memory gave %v, %v", c, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("it is not closed: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fl := &foreignListener{Listener: ln}
	if l, err := d.FromListener(fl, &seen{}); !errors.Is(err, errors.ErrUnsupported) || l != nil || !fl.closed {
		t.Errorf("a listener of others gave %v, %v, closed: %t", l, err, fl.closed)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fp := &foreignPacket{PacketConn: pc}
	if p, err := d.FromPacket(fp, &seen{}); !errors.Is(err, errors.ErrUnsupported) || p != nil || !fp.closed {
		t.Errorf("a datagram socket of others gave %v, %v, closed: %t", p, err, fp.closed)
	}
}

// A unix socket may be of streams, of datagrams, or of packets in order; each
// belongs in one place only.
func TestUnixSocketOfAnotherKindIsNotTakenOver(t *testing.T) {
	d := open(t)
	name := filepath.Join(t.TempDir(), "s")
	grams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := d.FromConn(grams); !errors.Is(err, errors.ErrUnsupported) || c != nil {
		t.Errorf("datagrams as a connection gave %v, %v", c, err)
	}
	ln, err := net.Listen("unix", name+"2")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	stream, err := net.Dial("unix", name+"2")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := d.FromPacket(stream.(*net.UnixConn), &seen{}); !errors.Is(err, errors.ErrUnsupported) || p != nil {
		t.Errorf("a connection as datagrams gave %v, %v", p, err)
	}
}

func TestWhatIsClosedIsNotTakenOver(t *testing.T) {
	d := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := pipe(t)
	for _, c := range []io.Closer{ln, nc, pc, f} {
		c.Close()
	}
	if c, err := d.FromConn(nc); err == nil || c != nil {
		t.Errorf("a connection: %v, %v", c, err)
	}
	if l, err := d.FromListener(ln, &seen{}); err == nil || l != nil {
		t.Errorf("a listener: %v, %v", l, err)
	}
	if p, err := d.FromPacket(pc, &seen{}); err == nil || p != nil {
		t.Errorf("a datagram socket: %v, %v", p, err)
	}
	if c, err := d.OpenFile(f); err == nil || c != nil {
		t.Errorf("a file: %v, %v", c, err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

func TestSyscallConnAsksOnceAndDoesNotWait(t *testing.T) {
	d := open(t)
	p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := p.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(func(uintptr) bool) error{"Read": raw.Read, "Write": raw.Write} {
		asked := 0
		if err := do(func(uintptr) bool { asked++; return true }); err != nil || asked != 1 {
			t.Errorf("%s gave %v, and asked %d times", name, err, asked)
		}
		if err := do(func(uintptr) bool { asked++; return false }); !errors.Is(err, driver.ErrWouldBlock) || asked != 2 {
			t.Errorf("%s of what is not ready gave %v, and asked %d times", name, err, asked-1)
		}
	}
	p.Close()
	if err := raw.Read(func(uintptr) bool { t.Error("it was asked"); return true }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close it gave %v", err)
	}
}

// The end of a process is watched by a descriptor that is the process's own.
func TestWatchOfAProcessTellsItsEndOnceAndMayBeClosedTwice(t *testing.T) {
	d := open(t)
	r, w := pipe(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := os.StartProcess("/bin/cat", []string{"cat"}, &os.ProcAttr{Files: []*os.File{r, null, null}})
	if err != nil {
		t.Skip(err)
	}
	r.Close()
	var s seen
	watch, err := d.WatchProcess(p, &s)
	if err != nil {
		w.Close()
		p.Wait()
		t.Skip("no pidfds here:", err)
	}
	if n := d.Handles(); n != 1 {
		t.Errorf("%d handles, want 1", n)
	}
	if err := d.Poll(); err != nil || s.events != 0 {
		t.Errorf("it told of %b while the process runs, %v", s.events, err)
	}
	w.Close()
	until(t, d, func() bool { return s.events&driver.Readable != 0 })
	var other seen
	for range 2 {
		if err := watch.Close(); err != nil {
			t.Error(err)
		}
		if n := d.Handles(); n != 0 {
			t.Errorf("%d handles are left", n)
		}
	}
	p.Wait()
	// The number is free; who has it now is not the watch's affair.
	a, _ := pipe(t)
	if err := d.Watch(a.Fd(), driver.Readable, &other); err != nil {
		t.Fatal(err)
	}
	watch.Close()
	if n := d.Handles(); n != 1 {
		t.Errorf("%d handles, want 1", n)
	}
	d.Watch(a.Fd(), 0, &other)
}

func TestDatagramThatCannotBeSentSendsNothing(t *testing.T) {
	d := open(t)
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	p, err := d.OpenPacket(driver.PacketSpec{Local: loopback}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := d.OpenPacket(driver.PacketSpec{Remote: p.LocalAddr()}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, send := range map[string]func() (int, error){
		"to nobody":              func() (int, error) { return p.WriteTo([]byte("x"), nil) },
		"to another than agreed": func() (int, error) { return c.WriteTo([]byte("x"), loopback) },
		"to another family":      func() (int, error) { return p.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv6loopback, Port: 1}) },
		"too much":               func() (int, error) { return c.WriteTo(make([]byte, 1<<17), nil) },
	} {
		if n, err := send(); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

func TestUnixListenerWithNobodyThereWouldBlock(t *testing.T) {
	d := open(t)
	var s seen
	ln, err := d.Listen(driver.ListenSpec{Addr: &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}}, &s)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if c, err := ln.Accept(); !errors.Is(err, driver.ErrWouldBlock) || c != nil {
		t.Errorf("got %v, %v", c, err)
	}
}
