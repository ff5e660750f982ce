package drivertest

import (
	"errors"
	"math"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// watcher returns the driver if it can watch numbers, and both ends of a pipe to
// watch.
func (r *rig) watcher() (w driver.Watcher, in, out *os.File) {
	r.Helper()
	w, ok := r.d.(driver.Watcher)
	if !ok {
		r.Skip("this driver watches no descriptors of others")
	}
	in, out, err := os.Pipe()
	r.must(err)
	r.Cleanup(func() { in.Close(); out.Close() })
	return w, in, out
}

func number(r *rig, c syscall.Conn) (fd uintptr) {
	r.Helper()
	raw, err := c.SyscallConn()
	r.must(err)
	r.must(raw.Control(func(n uintptr) { fd = n }))
	return fd
}

func testWatch(r *rig) {
	w, in, out := r.watcher()
	fd := number(r, in)
	n := &notes{r: r}
	r.must(w.Watch(fd, driver.Readable, n))
	r.must(r.d.Poll())
	if n.seen != 0 {
		r.Errorf("events %b of an empty pipe", n.seen)
	}
	out.WriteString("xy")
	for range 2 { // as long as there is something
		r.until("an event", func() bool { return n.seen == driver.Readable })
		in.Read(make([]byte, 1))
		n.seen = 0
	}
	r.must(r.d.Poll())
	if n.seen != 0 {
		r.Errorf("events %b when all was read", n.seen)
	}
	out.WriteString("z")
	r.until("an event", func() bool { return n.seen != 0 })
	r.must(w.Watch(fd, 0, n))
	n.closed = true
	r.must(r.d.Poll())
	r.must(w.Watch(fd, 0, n)) // not watched any more

	// The other direction, and an end.
	m := &notes{r: r}
	r.must(w.Watch(number(r, out), driver.Writable, m))
	r.until("an event", func() bool { return m.seen == driver.Writable })
	in.Close()
	m.seen = 0
	r.until("an end", func() bool { return m.seen&driver.Hangup != 0 })
	r.must(w.Watch(number(r, out), 0, m))
}

func testWatchTwoDirections(r *rig) {
	w, ok := r.d.(driver.Watcher)
	if !ok {
		r.Skip("this driver watches no descriptors of others")
	}
	fds, err := socketPair()
	r.must(err)
	a, b := os.NewFile(fds[0], "a"), os.NewFile(fds[1], "b")
	defer a.Close()
	defer b.Close()
	n := &notes{r: r}
	r.must(w.Watch(fds[0], driver.Readable|driver.Writable, n))
	r.until("room", func() bool { return n.seen == driver.Writable })
	b.WriteString("x")
	n.seen = 0
	r.until("both", func() bool { return n.seen == driver.Writable|driver.Readable })
	r.must(w.Watch(fds[0], driver.Readable, n))
	n.seen = 0
	r.must(r.d.Poll())
	if n.seen != driver.Readable {
		r.Errorf("events %b", n.seen)
	}
	r.must(w.Watch(fds[0], 0, n))
}

func testWatchRefuses(r *rig) {
	w, in, _ := r.watcher()
	n, other := &notes{r: r}, &notes{r: r}
	fd := number(r, in)
	r.must(w.Watch(fd, driver.Readable, n))
	if err := w.Watch(fd, driver.Readable, other); !errors.Is(err, driver.ErrInUse) {
		r.Errorf("another handler gave %v", err)
	}
	a, _ := r.pair(loopback())
	if err := w.Watch(number(r, a), driver.Readable, n); !errors.Is(err, driver.ErrInUse) {
		r.Errorf("a connection's descriptor gave %v", err)
	}
	for _, fd := range []uintptr{1 << 20, math.MaxInt32, math.MaxUint32, ^uintptr(0)} {
		if err := w.Watch(fd, driver.Readable, n); !errors.Is(err, syscall.EBADF) {
			r.Errorf("descriptor %d gave %v", fd, err)
		}
	}
	f, err := os.CreateTemp(r.TempDir(), "")
	r.must(err)
	defer f.Close()
	if err := w.Watch(number(r, f), driver.Readable, n); !errors.Is(err, syscall.EPERM) {
		r.Errorf("a regular file gave %v", err)
	}
	r.must(w.Watch(fd, 0, n))
}

// testWatchReuse closes a descriptor that is watched, and its number comes to
// another.
func testWatchReuse(r *rig) {
	w, in, _ := r.watcher()
	n := &notes{r: r}
	fd := number(r, in)
	r.must(w.Watch(fd, driver.Readable, n))
	r.must(in.Close())
	again, out, err := os.Pipe()
	r.must(err)
	defer again.Close()
	defer out.Close()
	if number(r, again) != fd {
		r.Skip("the number did not come again")
	}
	r.must(w.Watch(fd, driver.Readable, n))
	out.WriteString("x")
	r.until("an event", func() bool { return n.seen == driver.Readable })

	// Once more, for a connection of the driver's own.
	r.must(again.Close())
	n.closed = true
	p := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	if number(r, p) != fd {
		r.Skip("the number did not come again")
	}
	r.must(w.Watch(fd, 0, n)) // too late, and harmless
	c := r.openPacket(driver.PacketSpec{Remote: p.LocalAddr()})
	c.send([]byte("x"), nil)
	p.want([]byte("x"))
}
