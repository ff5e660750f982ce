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
	"sync"
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

	pages      []*page // of slots, by descriptor; nil: all of them are empty
	spare      *page   // an empty one
	generation uint32  // of the slot that was filled last

	paths               packetPaths
	few                 *inbound  // nil: none was needed yet, or it is in use
	inbounds, outbounds sync.Pool // those for many datagrams, of which nothing stays
}

// slot is who is told about a descriptor. The generation, which every event
// carries, tells a descriptor from one that had the same number before. An empty
// slot is zero.
type slot struct {
	generation uint32
	foreign    bool // the descriptor is not the driver's: Watch was given its number
	handler    driver.Handler
}

// page is the slots of neighbouring descriptors. One that is empty is let go of,
// so that after very many connections their slots are not kept for ever.
type page struct {
	slots  [slotsOfPage]slot
	filled int
}

const slotsOfPage = 256

var _ driver.Driver = (*Driver)(nil)

const eventsAtOnce = 256

// New makes a driver.
func New() (*Driver, error) {
	paths, err := askedPaths()
	if err != nil {
		return nil, err
	}
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
		paths:    paths,
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

// fetch takes events from the kernel, and reports whether there were any.
func (d *Driver) fetch(uintptr) bool {
	d.n, d.err = epollWait(d.epfd, d.events)
	return d.n > 0 || d.err != nil
}

// Handles implements [driver.Driver].
func (d *Driver) Handles() int {
	n := 0
	for _, p := range d.pages {
		if p != nil {
			n += p.filled
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
		s := d.find(int(e.Fd))
		if s == nil || s.handler == nil || s.generation != uint32(e.Pad) {
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
	return nil
}

// watch begins to report events of fd, each once when it comes (edge
// triggered): what is not taken at once is not reported again and again, and
// to stop or to go on reading costs no system call. For one that is watched
// already, h takes the place of its handler.
func (d *Driver) watch(fd int, h driver.Handler, events uint32) error {
	s := d.find(fd)
	if s != nil && s.foreign {
		// Its number comes again, so that one was closed, and the kernel has
		// forgotten it.
		d.empty(fd)
	}
	if s != nil && s.handler != nil {
		s.handler = h
		return nil
	}
	return d.add(fd, slot{handler: h}, events|unix.EPOLLET)
}

// find returns the slot of fd, which may be empty; nil when its page is.
func (d *Driver) find(fd int) *slot {
	if i := fd / slotsOfPage; i < len(d.pages) && d.pages[i] != nil {
		return &d.pages[i].slots[fd%slotsOfPage]
	}
	return nil
}

// add makes the kernel report events of fd, and fills its slot, which is empty.
func (d *Driver) add(fd int, s slot, events uint32) error {
	d.generation++
	s.generation = d.generation
	if err := d.control(unix.EPOLL_CTL_ADD, fd, s.generation, events); err != nil {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("what is always ready, as a regular file or /dev/null is, cannot be waited for: %w", err)
		}
		return err
	}
	i := fd / slotsOfPage
	for len(d.pages) <= i {
		d.pages = append(d.pages, nil)
	}
	if d.pages[i] == nil {
		if d.spare == nil {
			d.spare = new(page)
		}
		d.pages[i], d.spare = d.spare, nil
	}
	d.pages[i].slots[fd%slotsOfPage] = s
	d.pages[i].filled++
	return nil
}

// empty empties the slot of fd.
func (d *Driver) empty(fd int) {
	i := fd / slotsOfPage
	p := d.pages[i]
	p.slots[fd%slotsOfPage] = slot{}
	if p.filled--; p.filled == 0 {
		d.pages[i], d.spare = nil, p
	}
}

// control tells the kernel which events of fd are wanted.
func (d *Driver) control(op, fd int, generation, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(generation)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(d.epfd, op, fd, &e))
}

// rewatch changes which events are reported of fd, which is watched. What there
// is of them is reported again.
func (d *Driver) rewatch(fd int, events uint32) error {
	return d.control(unix.EPOLL_CTL_MOD, fd, d.find(fd).generation, events)
}

// unwatch ends that. Events that are under way are passed over.
func (d *Driver) unwatch(fd int) {
	// Closing the descriptor would do, if no other process had a copy of it.
	if d.forget(fd) {
		_ = unix.EpollCtl(d.epfd, unix.EPOLL_CTL_DEL, fd, nil)
	}
}

// forget ends it for a descriptor that is closed next and of which there is no
// copy, but for the moment between the fork and the exec of a process that is
// started: what is reported in that moment is passed over, too.
func (d *Driver) forget(fd int) (watched bool) {
	if s := d.find(fd); s == nil || s.handler == nil {
		return false
	}
	d.empty(fd)
	return true
}

// Close implements [driver.Driver].
func (d *Driver) Close() error { return d.file.Close() }
