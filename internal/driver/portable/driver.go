// Package portable is the driver on Go's net package and goroutines. It serves
// every system that has no driver of its own, and Linux by an option.
//
// For each handle that the loop waits for, a goroutine blocks in place of the
// loop and posts what happened to the driver's queue. None is there while the
// loop does not wait: a connection costs one goroutine while something more to
// read is awaited, one while something is left to be written, and none when its
// reader is paused. None of them holds a buffer while it waits (but see
// [Driver.FromConn]): an idle connection costs less than three kilobytes.
package portable

import (
	"errors"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// DefaultLinger is the Linger of a new driver.
const DefaultLinger = 10 * time.Second

// Driver is the portable driver.
type Driver struct {
	// Linger bounds how long a connection that was closed goes on to send what
	// Write had taken: a peer that does not take the next 64 KiB within that
	// time is reset. There are at most two such pieces. Close of the driver
	// waits for these connections.
	Linger time.Duration

	sleeper driver.Sleeper
	epoch   time.Time
	kick    chan struct{}
	timer   *time.Timer

	queue   queue
	buffers buffers
	open    map[io.Closer]struct{} // the loop's: handles that are not closed
	most    int                    // of them since the map was made
	work    sync.WaitGroup         // the goroutines that Close waits for
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver.
func New() (*Driver, error) {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Driver{
		Linger: DefaultLinger,
		epoch:  time.Now(),
		kick:   make(chan struct{}, 1),
		timer:  t,
		open:   make(map[io.Closer]struct{}),
	}, nil
}

// Name implements [driver.Driver].
func (d *Driver) Name() string { return "portable" }

// Now implements [driver.Driver].
func (d *Driver) Now() time.Duration { return time.Since(d.epoch) }

// Handles implements [driver.Driver].
func (d *Driver) Handles() int { return len(d.open) }

// keep notes a handle that is open.
func (d *Driver) keep(h io.Closer) {
	d.open[h] = struct{}{}
	d.most = max(d.most, len(d.open))
}

// forget notes that it is closed. A map does not give memory back, so after a
// burst it is made anew.
func (d *Driver) forget(h io.Closer) {
	delete(d.open, h)
	if d.most > 1024 && len(d.open) < d.most/8 {
		open := make(map[io.Closer]struct{}, len(d.open))
		maps.Copy(open, d.open)
		d.open = open
		d.most = len(d.open)
	}
}

// Poll implements [driver.Driver]. With nothing to report it costs an atomic
// load.
func (d *Driver) Poll() error {
	if !d.queue.filled() {
		return nil
	}
	items := d.queue.take()
	for _, s := range items {
		s.report()
	}
	d.queue.giveBack(items)
	return nil
}

// Park implements [driver.Driver].
func (d *Driver) Park(until time.Duration, pending func() bool) error {
	d.sleeper.Announce()
	// A kick that came too late for an earlier wait costs a turn.
	if !pending() && !d.queue.filled() {
		d.wait(until)
	}
	d.sleeper.Awake()
	return d.Poll()
}

func (d *Driver) wait(until time.Duration) {
	if until == driver.Forever {
		<-d.kick
		return
	}
	left := until - d.Now()
	if left <= 0 {
		return
	}
	d.timer.Reset(left)
	select {
	case <-d.kick:
		d.timer.Stop()
	case <-d.timer.C:
	}
}

// Wake implements [driver.Driver].
func (d *Driver) Wake() {
	if d.sleeper.Claim() {
		select {
		case d.kick <- struct{}{}:
		default:
		}
	}
}

// Close implements [driver.Driver]. It resets what was not closed, and waits
// for what still sends: at most twice d.Linger, with a peer that takes nothing.
func (d *Driver) Close() error {
	for h := range d.open {
		if c, ok := h.(*conn); ok {
			c.Reset()
		}
		_ = h.Close()
	}
	done := make(chan struct{})
	go func() {
		d.work.Wait()
		close(done)
	}()
	limit := time.NewTimer(2*d.Linger + time.Second)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-limit.C: // an existing connection does not heed its own Close
		return errStuck
	}
}

var errStuck = errors.New("a connection's Write does not end, though it was closed")

// source is the part of a handle that events come from.
type source struct {
	d      *Driver
	events atomic.Uint32 // to be reported; not zero while it is in the queue

	// The loop's:
	handler driver.Handler
	missed  driver.Event // what there was before the handler
	closed  bool
}

// post makes the loop report what has happened. It may be called from any
// goroutine, and what it is about must be visible already.
func (s *source) post(what driver.Event) {
	if s.events.Or(uint32(what)) == 0 {
		s.d.queue.put(s)
		s.d.Wake()
	}
}

// report tells the handler.
func (s *source) report() {
	what := driver.Event(s.events.Swap(0))
	switch {
	case s.closed:
	case s.handler == nil:
		s.missed |= what
	default:
		s.handler.Ready(what)
	}
}

// queue is the sources that have something to report, each at most once.
type queue struct {
	n     atomic.Int32
	mu    sync.Mutex
	items []*source
	spare []*source // for reuse
}

func (q *queue) filled() bool { return q.n.Load() > 0 }

func (q *queue) put(s *source) {
	q.mu.Lock()
	q.items = append(q.items, s)
	q.n.Store(int32(len(q.items)))
	q.mu.Unlock()
}

func (q *queue) take() []*source {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.spare = q.spare, nil
	q.n.Store(0)
	return items
}

// giveBack returns the slice that take gave.
func (q *queue) giveBack(items []*source) {
	if cap(items) > 1024 {
		return // after a burst, give memory back
	}
	clear(items)
	q.mu.Lock()
	q.spare = items[:0]
	q.mu.Unlock()
}
