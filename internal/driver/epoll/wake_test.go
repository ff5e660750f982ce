//go:build linux

package epoll

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A waker that is held up between its claim and its kick comes when the wait it is
// for is over. That may cost the next one a turn, and no more.
func TestAWakeThatComesLateCutsOneWaitShort(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	until := d.Now() + 30*time.Millisecond
	if err := d.Park(until, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	_ = d.file.SetReadDeadline(longAgo) // the late one
	for range 2 {
		if err := d.Park(until, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	if now := d.Now(); now < until {
		t.Errorf("it ended %v early", until-now)
	}
}

// A wake-up that a wait has seen before it began is over.
func TestAWakeBeforeAWaitHasBegunCutsNoLaterWaitShort(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	until := d.Now() + 30*time.Millisecond
	if err := d.Park(until, func() bool { d.Wake(); return true }); err != nil {
		t.Fatal(err)
	}
	if err := d.Park(until, func() bool { return false }); err != nil || d.Now() < until {
		t.Errorf("it ended %v early, %v", until-d.Now(), err)
	}
}

type nobody struct{}

func (nobody) Ready(driver.Event) {}

// A wake-up that comes together with an event is over with the wait that it ends.
func TestAWakeThatComesWithAnEventCutsNoLaterWaitShort(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := d.Watch(r.Fd(), driver.Readable, nobody{}); err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	d.look = func(fd uintptr) bool {
		some := d.fetch(fd)
		d.Wake()
		return some
	}
	until := d.Now() + 40*time.Millisecond
	if err := d.Park(until, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	r.Read(make([]byte, 1))
	d.look = d.fetch
	for range 2 {
		if err := d.Park(until, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	if now := d.Now(); now < until {
		t.Errorf("it ended %v early", until-now)
	}
}

func TestOnlyASocketWithAPathHasANode(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("@abstract", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{nil, &net.TCPAddr{}, &net.UnixAddr{}, &net.UnixAddr{Name: "@abstract"}, &net.UnixAddr{Name: "none"}} {
		if n := nodeOf(addr); n != nil {
			t.Errorf("%v has %v", addr, n)
		}
	}
	n := nodeOf(&net.UnixAddr{Name: "./@abstract"})
	if n == nil {
		t.Fatal("a path has none")
	}
	n.remove()
	if _, err := os.Stat("@abstract"); err == nil {
		t.Error("it was not removed")
	}
	if err := os.WriteFile("@abstract", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.info, _ = os.Stat(".")
	if n.remove(); n.info == nil {
		t.Error("no directory")
	}
	if _, err := os.Stat("@abstract"); err != nil {
		t.Error("what has come in its place was removed")
	}
}
