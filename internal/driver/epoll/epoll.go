//go:build linux

// Package epoll is the driver for Linux.
//
// It waits in Go's own poller: an epoll descriptor can itself be polled, so it
// sits in an os.File, and a loop with nothing to do is a parked goroutine. No
// thread waits in a system call, and a result from another goroutine arrives in
// about a microsecond, because waking the loop is waking a goroutine.
package epoll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// Driver is the epoll driver.
type Driver struct {
	sleeper driver.Sleeper
	epoch   time.Time

	epfd int
	file *os.File
	raw  syscall.RawConn
	look func(uintptr) bool // d.fetch, as raw.Read wants it

	events []unix.EpollEvent
	n      int // how many of them fetch has got
	err    error

	// deadline is the read deadline of file, unless it is dirty: then a waker
	// may have put it into the past, or will.
	deadline time.Duration
	dirty    bool

	slots []slot // by descriptor
}

// slot is who is told about a descriptor. The generation, which every event
// carries, tells a descriptor from one that had the same number before.
type slot struct {
	generation uint32
	foreign    bool // the descriptor is not the driver's: Watch was given its number
	handler    driver.Handler
}

var _ driver.Driver = (*Driver)(nil)

const eventsAtOnce = 128

// New makes a driver.
func New() (*Driver, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// os.NewFile looks whether the descriptor is non-blocking to decide
	// whether to poll it.
	if err := unix.SetNonblock(epfd, true); err != nil {
		_ = unix.Close(epfd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	d := &Driver{
		epoch:    time.Now(),
		epfd:     epfd,
		file:     os.NewFile(uintptr(epfd), "epoll"),
		events:   make([]unix.EpollEvent, eventsAtOnce),
		deadline: driver.Forever,
	}
	d.look = d.fetch
	if d.raw, err = d.file.SyscallConn(); err == nil {
		err = d.file.SetReadDeadline(time.Time{}) // an error says that it is not polled
	}
	if err != nil {
		_ = d.file.Close()
		return nil, fmt.Errorf("polling an epoll descriptor: %w", err)
	}
	return d, nil
}

func (d *Driver) Name() string { return "epoll" }

func (d *Driver) Now() time.Duration { return time.Since(d.epoch) }

// fetch takes events from the kernel, and says whether there were any.
func (d *Driver) fetch(uintptr) bool {
	d.n, d.err = epollWait(d.epfd, d.events)
	return d.n > 0 || d.err != nil
}

// Handles implements [driver.Driver]. It looks at each slot: only a virtual clock
// asks.
func (d *Driver) Handles() int {
	n := 0
	for i := range d.slots {
		if d.slots[i].handler != nil {
			n++
		}
	}
	return n
}

// Poll implements [driver.Driver].
func (d *Driver) Poll() error {
	d.fetch(0)
	return d.dispatch()
}

// Park implements [driver.Driver]. Only it puts the deadline into the future,
// and wakers put it into the past; whenever one may have done so the deadline
// is dirty and set anew before the next wait. A waker that comes late, after
// that, costs one turn and no more.
func (d *Driver) Park(until time.Duration, pending func() bool) error {
	if d.dirty || until != d.deadline {
		var t time.Time // for ever
		if until != driver.Forever {
			t = d.epoch.Add(until)
		}
		if err := d.file.SetReadDeadline(t); err != nil {
			return err
		}
		d.deadline, d.dirty = until, false
	}
	d.sleeper.Announce()
	if pending() {
		if d.sleeper.Awake() {
			d.dirty = true
		}
		return nil
	}
	err := d.raw.Read(d.look)
	if d.sleeper.Awake() || err != nil {
		d.dirty = true
	}
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		d.fetch(0) // with an expired deadline Read does not look
	}
	return d.dispatch()
}

// Wake implements [driver.Driver].
func (d *Driver) Wake() {
	if d.sleeper.Claim() {
		// The error says that the loop is closed: nobody sleeps then.
		_ = d.file.SetReadDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0)

// dispatch tells the handlers what fetch has got.
func (d *Driver) dispatch() error {
	if d.err != nil {
		return os.NewSyscallError("epoll_wait", d.err)
	}
	for _, e := range d.events[:d.n] {
		s := &d.slots[e.Fd]
		if s.handler == nil || s.generation != uint32(e.Pad) {
			continue // closed by the handler of an event before this one
		}
		var what driver.Event
		if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			what |= driver.Readable
		}
		if e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			what |= driver.Writable
		}
		if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			what |= driver.Hangup
		}
		s.handler.Ready(what)
	}
	d.n = 0
	return nil
}

// watch begins to report events of fd, each once when it comes (edge
// triggered): what is not taken at once is not reported again and again, and
// to stop or to go on reading costs no system call. For one that is watched
// already, h takes the place of its handler.
func (d *Driver) watch(fd int, h driver.Handler, events uint32) error {
	s := d.slot(fd)
	if s.handler != nil && s.foreign {
		// Its number comes again, so that one was closed, and the kernel has
		// forgotten it.
		*s = slot{generation: s.generation + 1}
	}
	if s.handler != nil {
		s.handler = h
		return nil
	}
	return d.control(unix.EPOLL_CTL_ADD, fd, h, events|unix.EPOLLET)
}

// slot gives the slot of fd.
func (d *Driver) slot(fd int) *slot {
	for len(d.slots) <= fd {
		d.slots = append(d.slots, slot{})
	}
	return &d.slots[fd]
}

// control tells the kernel which events of fd are wanted, for h.
func (d *Driver) control(op, fd int, h driver.Handler, events uint32) error {
	s := &d.slots[fd]
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(s.generation)}
	if err := unix.EpollCtl(d.epfd, op, fd, &e); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.handler = h
	return nil
}

// rewatch changes which events are reported of fd, which is watched. What there
// is of them is reported again.
func (d *Driver) rewatch(fd int, events uint32) error {
	return d.control(unix.EPOLL_CTL_MOD, fd, d.slots[fd].handler, events)
}

// unwatch ends that. Events that are under way are passed over.
func (d *Driver) unwatch(fd int) {
	if fd >= len(d.slots) || d.slots[fd].handler == nil {
		return
	}
	d.slots[fd] = slot{generation: d.slots[fd].generation + 1}
	// Closing the descriptor would do, if no other process had a copy of it.
	_ = unix.EpollCtl(d.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Close implements [driver.Driver].
func (d *Driver) Close() error { return d.file.Close() }
