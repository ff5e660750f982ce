package portable_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

var loopback4 = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// openings are the ways to open a handle.
func openings(t *testing.T, d *portable.Driver) map[string]func() (io.Closer, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return map[string]func() (io.Closer, error){
		"Dial": func() (io.Closer, error) { return d.Dial(driver.DialSpec{Remote: ln.Addr()}, &notes{}) },
		"Listen": func() (io.Closer, error) {
			return d.Listen(driver.ListenSpec{Addr: loopback4, Backlog: 1}, &notes{})
		},
		"OpenFile": func() (io.Closer, error) {
			r, w, err := os.Pipe()
			if err != nil {
				return nil, err
			}
			w.Close()
			return d.OpenFile(r)
		},
		"FromConn": func() (io.Closer, error) {
			nc, err := net.Dial("tcp4", ln.Addr().String())
			if err != nil {
				return nil, err
			}
			return d.FromConn(nc)
		},
		"FromListener": func() (io.Closer, error) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			return d.FromListener(ln, &notes{})
		},
		"OpenPacket": func() (io.Closer, error) {
			return d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: loopback4.IP}}, &notes{})
		},
		"FromPacket": func() (io.Closer, error) {
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			return d.FromPacket(pc, &notes{})
		},
	}
}

func TestWhatIsOpenedIsAHandleUntilItIsClosed(t *testing.T) {
	d := newDriver(t)
	for name, open := range openings(t, d) {
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Handles(); n != 1 {
			t.Errorf("%s: %d handles", name, n)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := d.Handles(); n != 0 {
			t.Errorf("%s: %d handles are left", name, n)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed again: %v", name, err)
		}
	}
}

func TestWhatIsClosedIsNotTakenOver(t *testing.T) {
	d := newDriver(t)
	near, _ := net.Pipe()
	near.Close()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	ln.Close()
	pc.Close()
	for _, nc := range []net.Conn{near, nc, saysClosed{near}} {
		if c, err := d.FromConn(nc); c != nil || err != net.ErrClosed {
			t.Errorf("%T: %v, %v", nc, c, err)
		}
	}
	if l, err := d.FromListener(ln, &notes{}); l != nil || err != net.ErrClosed {
		t.Errorf("a listener: %v, %v", l, err)
	}
	if p, err := d.FromPacket(pc, &notes{}); p != nil || err != net.ErrClosed {
		t.Errorf("datagrams: %v, %v", p, err)
	}
	r, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if c, err := d.OpenFile(r); c != nil || !errors.Is(err, os.ErrClosed) {
		t.Errorf("a pipe: %v, %v", c, err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

// saysClosed is a connection of others that says it in its own way.
type saysClosed struct{ net.Conn }

func (saysClosed) SetDeadline(time.Time) error { return fmt.Errorf("set: %w", io.ErrClosedPipe) }

// What its owner before has set does not end the waits of a driver.
func TestADeadlineOfTheOwnerBeforeIsTakenAway(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	defer far.Close()
	near.SetDeadline(time.Unix(1, 0))
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	go far.Write([]byte("x"))
	until(t, d, func() bool { return n.seen != 0 })
	if got, err := c.Read(make([]byte, 2)); got != 1 || err != nil {
		t.Errorf("read %d, %v", got, err)
	}
}

func TestWhatIsAlwaysReadyIsNotOpened(t *testing.T) {
	d := newDriver(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	regular, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{null, dir, regular} {
		var path *os.PathError
		if c, err := d.OpenFile(f); c != nil || !errors.As(err, &path) || path.Path != f.Name() {
			t.Errorf("%s: %v, %v", f.Name(), c, err)
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s was left open", f.Name())
		}
	}
}

func TestAnAddressThatIsNoneOpensNothing(t *testing.T) {
	d := newDriver(t)
	udp := &net.UDPAddr{IP: loopback4.IP, Port: 9}
	if c, err := d.Dial(driver.DialSpec{Remote: udp}, &notes{}); c != nil || err == nil {
		t.Errorf("Dial: %v, %v", c, err)
	}
	if l, err := d.Listen(driver.ListenSpec{Addr: udp}, &notes{}); l != nil || err == nil {
		t.Errorf("Listen: %v, %v", l, err)
	}
	if p, err := d.OpenPacket(driver.PacketSpec{Local: loopback4}, &notes{}); p != nil || err == nil {
		t.Errorf("OpenPacket: %v, %v", p, err)
	}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if l, err := d.Listen(driver.ListenSpec{Addr: taken.Addr()}, &notes{}); l != nil || !errors.Is(err, syscall.EADDRINUSE) && runtime.GOOS != "windows" {
		t.Errorf("where another is: %v, %v", l, err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles", n)
	}
}

func TestAWaitDoesNotEndBeforeItsTime(t *testing.T) {
	d := newDriver(t)
	for range 3 {
		until := d.Now() + 10*time.Millisecond
		if err := d.Park(until, never); err != nil || d.Now() < until {
			t.Errorf("it ended %v early, %v", until-d.Now(), err)
		}
	}
	began := d.Now()
	if err := d.Park(began-time.Second, never); err != nil {
		t.Error(err)
	}
	var woken atomic.Bool
	time.AfterFunc(20*time.Millisecond, func() { woken.Store(true); d.Wake() })
	if err := d.Park(driver.Forever, never); err != nil || !woken.Load() {
		t.Errorf("for ever has ended after %v, %v", d.Now()-began, err)
	}
	if err := d.Park(driver.Forever, func() bool { return true }); err != nil {
		t.Error(err)
	}
}

func TestEventsAreToldOnce(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Read(make([]byte, 1))
	far.Close()
	var first, second notes
	for d.Park(d.Now()+5*time.Millisecond, never) == nil && first.seen == 0 {
		if err := c.Start(&first); err != nil {
			t.Fatal(err)
		}
		d.Poll()
	}
	if err := c.Start(&second); err != nil {
		t.Fatal(err)
	}
	d.Poll()
	if first.seen&driver.Hangup == 0 || second.seen != 0 {
		t.Errorf("the first was told of %b, the second of %b", first.seen, second.seen)
	}
	c.Close()
	if err := c.Start(&first); err != net.ErrClosed {
		t.Errorf("Start of what is closed gave %v", err)
	}
}
