package asyncio

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
	"github.com/asyncio-go/asyncio/internal/ring"
)

// While handles are ready the loop looks for I/O and at the clock only now and
// then, because looking costs more than a short callback does: at the latest
// after so many turns, or when so much time has gone by.
const (
	maxTurnsUnpolled = 16
	maxTimeUnpolled  = 50 * time.Microsecond

	maxRunUnpolled     = 512 // or after so many callbacks and steps
	turnsBetweenClocks = 8   // a power of two
)

// maxTimeUnyielded is how long a loop that never parks runs before it lets
// other goroutines run.
const maxTimeUnyielded = time.Millisecond

// slowStep is how long a callback or a step may hold the loop before debug
// mode says so.
const slowStep = 100 * time.Millisecond

// Loop is an event loop. One goroutine at a time runs it, and all its state
// belongs to that goroutine: but for [Loop.CallSoonThreadsafe] no method may be
// called from another. It is not locked, and needs no lock. Python:
// AbstractEventLoop.
//
// Most programs never make one: [Run] does.
type Loop struct {
	driver   driver.Driver
	clock    driver.Clock // the driver's, or a virtual one
	ready    ring.Queue[runnable]
	timers   heap.Heap[runnable]
	handles  []Handle      // for the next callbacks
	now      time.Duration // the clock when it was last read
	current  *task         // the task that runs
	tasks    taskList
	coros    coro.Pool
	trimmed  time.Duration // when it last gave coroutines back
	sleepers spares[sleeper]
	waiters  spares[waiter]
	watched  *watchedWaits // nil but on the virtual clock

	batch         int // what is left of the handles of this turn
	turns         int // turns since the last poll
	ran           int // handles of these turns
	turnsUnpolled int // after how many turns to poll again
	polled        time.Duration
	yielded       time.Duration // when the loop last parked or let others run
	counts        counts

	running, stopping, closing, closed bool
	debug                              bool
	tracing                            bool   // a trace was being taken when the loop last looked
	probe                              *probe // nil but in debug mode, with labels or while tracing
	taskCount                          uint64

	inbox         inbox
	gone          chan struct{} // closed when the loop is
	executor      Executor      // the default one, made when first used
	workers       int
	grace         time.Duration // how long Run waits for the default executor
	unseen        unseenErrors
	sockets       socketList // that no server serves
	servers       []*Server
	children      children
	signals       map[os.Signal]*signalWatch
	interrupts    *interrupts // of the Run that is under way; or nil
	interruptMode interruptMode
	datagrams     []*datagramTransport
	descriptors   map[uintptr]*descriptor // of others, by number
	readInto      []byte                  // what connections are read into for their protocols
	readUnixInto  []byte                  // likewise datagrams of unix sockets, which may be longer
	filled        func() bool             // inbox.filled, made once: each park needs it
	log           *slog.Logger
	onError       ExceptionHandler
}

// inbox is the one way into a loop from outside its goroutine.
type inbox struct {
	mu     sync.Mutex
	items  []runnable
	spare  []runnable // the slice that was drained last, for reuse
	n      atomic.Int32
	closed bool

	outside atomic.Int32 // jobs of executors under way: each will come in here
}

// NewLoop makes a loop, which must be closed. Python: new_event_loop.
func NewLoop(opts ...Option) (*Loop, error) {
	c := config{grace: executorGrace, debug: os.Getenv("ASYNCIODEBUG") == "1"}
	for _, o := range opts {
		o(&c)
	}
	l := &Loop{
		debug: c.debug, workers: c.workers, grace: c.grace,
		log: c.logger, onError: c.onError, turnsUnpolled: 1, interruptMode: c.interrupts,
		gone: make(chan struct{}),
	}
	l.unseen.loop = l
	l.coros.Next = l.successor
	if c.debug || c.labels {
		p := l.newProbe()
		p.debug, p.labels = c.debug, c.labels
	}
	l.filled = l.inbox.filled
	if c.virtual {
		l.watched = new(watchedWaits)
	}
	var err error
	if l.driver, l.clock, err = c.open(l.inbox.outsideAtWork); err != nil {
		return nil, fmt.Errorf("asyncio: new loop: %w", err)
	}
	return l, nil
}

// Time gives the loop's clock: the time since some fixed moment. It never goes
// back. Python: loop.time, in seconds.
func (l *Loop) Time() time.Duration {
	l.now = l.clock.Now()
	return l.now
}

// CallSoon makes the loop call fn in its next turn, after what was given to it
// before. Thirty-two calls cost one allocation. It panics with [ErrLoopClosed] when
// the loop is closed. For the loop's goroutine. Python: loop.call_soon.
func (l *Loop) CallSoon(fn func()) *Handle {
	l.mustBeOpen()
	h := l.newHandle(fn)
	l.ready.Push(h)
	return h
}

// CallLater makes the loop call fn after d, counted from now; in the next turn
// when d is not positive. Callbacks due at the same time run in the order in
// which they were given. On Linux a timer may be late by a millisecond. It
// panics with [ErrLoopClosed] when the loop is closed. For the loop's
// goroutine. Python: loop.call_later.
func (l *Loop) CallLater(d time.Duration, fn func()) *TimerHandle {
	return l.CallAt(l.after(d), fn)
}

// after gives the time d from now, or the end of time.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.Time()
	if d > driver.Forever-now {
		return driver.Forever
	}
	return now + max(d, 0)
}

// CallAt is [Loop.CallLater] with the time itself, on the clock of [Loop.Time].
// Python: loop.call_at.
func (l *Loop) CallAt(when time.Duration, fn func()) *TimerHandle {
	l.mustBeOpen()
	h := &TimerHandle{Handle: *newHandle(fn), loop: l, when: when}
	h.node.Value = h
	l.timers.Push(&h.node, int64(when))
	return h
}

func (l *Loop) mustBeOpen() {
	if l.closed {
		panic(ErrLoopClosed)
	}
	if l.probe != nil {
		l.probe.mustBeHere()
	}
}

// CallSoonThreadsafe is [Loop.CallSoon] for any goroutine, and wakes the loop
// up. It gives [ErrLoopClosed] when the loop is closed; fn does not run then.
// The handle is for the loop's goroutine. Python: loop.call_soon_threadsafe.
func (l *Loop) CallSoonThreadsafe(fn func()) (*Handle, error) {
	h := newHandle(fn)
	if !l.inbox.put(h) {
		return nil, ErrLoopClosed
	}
	l.driver.Wake()
	return h, nil
}

func (b *inbox) put(r runnable) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.items = append(b.items, r)
	b.n.Store(int32(len(b.items)))
	return true
}

func (b *inbox) outsideAtWork() bool { return b.outside.Load() > 0 }

func (b *inbox) filled() bool { return b.n.Load() > 0 }

// drain moves what has come in to the ready queue.
func (l *Loop) drain() {
	b := &l.inbox
	if !b.filled() {
		return
	}
	b.mu.Lock()
	items := b.items
	b.items = b.spare[:0]
	b.n.Store(0)
	b.mu.Unlock()
	for i, r := range items {
		l.ready.Push(r)
		items[i] = nil
	}
	if cap(items) > 1024 {
		items = nil // after a burst, give memory back
	}
	b.spare = items
}

// IsRunning says whether the loop runs. Python: loop.is_running.
func (l *Loop) IsRunning() bool { return l.running }

// IsClosed says whether the loop was closed. Python: loop.is_closed.
func (l *Loop) IsClosed() bool { return l.closed }

// CurrentTask gives the task that runs, or nil. Python: current_task.
func (l *Loop) CurrentTask() AnyTask {
	if l.current == nil {
		return nil
	}
	return l.current.shell()
}

// AllTasks gives the tasks that have not ended, in the order in which they were
// created. Python: all_tasks.
func (l *Loop) AllTasks() []AnyTask {
	all := make([]AnyTask, 0, l.tasks.n)
	for t := l.tasks.head; t != nil; t = t.next {
		all = append(all, t.shell())
	}
	return all
}

// Stop makes the loop end its run after this turn; before the first, when it
// does not run. What is ready stays so for the next run. Python: loop.stop.
func (l *Loop) Stop() { l.stopping = true }

// RunForever runs the loop on the calling goroutine until [Loop.Stop]. It gives
// [ErrLoopClosed], [ErrLoopRunning] inside another loop's run, [ErrDeadlock] on
// the virtual clock, or the driver's error. Python: loop.run_forever.
func (l *Loop) RunForever() error {
	if l.closed {
		return ErrLoopClosed
	}
	if l.running || coro.MarkGoroutine() {
		return ErrLoopRunning
	}
	l.running = true
	l.polled = l.Time()
	l.yielded = l.polled
	defer func() {
		l.running, l.stopping, l.current = false, false, nil
		coro.UnmarkGoroutine()
		if l.probe != nil {
			l.probe.leave()
		}
	}()
	if l.probe != nil {
		l.probe.enter()
	}
	for {
		if err := l.turn(); err != nil {
			return err
		}
		if l.stopping {
			return nil
		}
	}
}

// RunUntilComplete runs the loop until f is done, whose result is then there
// to be taken. It gives f's error, or what [Loop.RunForever] gives, or
// [ErrLoopStopped]. Python: loop.run_until_complete.
func (l *Loop) RunUntilComplete(f Awaitable) error {
	if l.closed {
		return fmt.Errorf("run until complete: %w", ErrLoopClosed)
	}
	if f.Loop() != l {
		return fmt.Errorf("run until complete: %w", ErrWrongLoop)
	}
	remove := f.AddDoneCallback(l.Stop)
	defer remove()
	if err := l.RunForever(); err != nil {
		if !f.Done() {
			return err
		}
		return errors.Join(err, f.Err())
	}
	if !f.Done() {
		return ErrLoopStopped
	}
	return f.Err()
}

// turn is one round of the loop: look what has happened, and run what was
// ready when it began. What that makes ready runs in the next.
func (l *Loop) turn() error {
	if err := l.poll(); err != nil {
		return err
	}
	l.drain()
	for when, ok := l.timers.First(); ok && when <= int64(l.now); when, ok = l.timers.First() {
		l.counts.timer(int64(l.now) - when)
		l.ready.Push(l.timers.Pop().Value)
	}
	l.batch = l.ready.Len()
	l.ran += l.batch
	for l.batch > 0 {
		l.runBatch()
	}
	return nil
}

// poll lets the driver report, and reads the clock. It waits when nothing is
// ready, and does nothing when there is, and the last time was just now.
func (l *Loop) poll() error {
	var err error
	parked := false
	if l.watched != nil {
		l.watched.look()
	}
	l.turns++
	switch {
	case l.ready.Len() == 0 && !l.stopping && !l.inbox.filled():
		until := driver.Forever
		if when, ok := l.timers.First(); ok {
			until = time.Duration(when)
		}
		if l.coros.Idle() > coro.Kept && l.watched == nil {
			until = min(until, l.trim())
		}
		if until <= l.now {
			err = l.driver.Poll() // a timer is due
		} else {
			parked = true
			l.counts.parking(l)
			err = l.clock.Park(until, l.filled)
		}
		l.turnsUnpolled = 1
	case l.turns >= l.turnsUnpolled || l.ran > maxRunUnpolled:
		err = l.driver.Poll()
	default:
		return nil
	}
	if err != nil {
		if errors.Is(err, driver.ErrIdle) {
			return l.deadlock()
		}
		return fmt.Errorf("asyncio: %s driver: %w", l.driver.Name(), err)
	}
	l.adapt(l.Time(), parked)
	return nil
}

// trimEvery is how often coroutines are given back that a burst has left.
const trimEvery = 100 * time.Millisecond

// trim gives some of the idle coroutines back, when it is time, and says when
// it will be again.
func (l *Loop) trim() time.Duration {
	if l.now-l.trimmed >= trimEvery {
		l.coros.Trim()
		l.trimmed = l.now
	}
	return l.trimmed + trimEvery
}

// adapt chooses after how many turns to poll again, by how long the last ones
// took: so the clock need not be read in each to know that time has gone by.
func (l *Loop) adapt(now time.Duration, parked bool) {
	took := now - l.polled
	if took > maxTimeUnpolled {
		l.turnsUnpolled = 1
	} else if took < maxTimeUnpolled/4 {
		l.turnsUnpolled = min(maxTurnsUnpolled, 2*l.turnsUnpolled)
	}
	l.counts.polled(l.turns, took, parked)
	if trace.IsEnabled() != l.tracing {
		l.tracing = !l.tracing
		l.newProbe().tracing = l.tracing
	}
	l.polled, l.turns, l.ran = now, 0, 0
	l.timers.Trim()

	// A loop that always has something ready never blocks, nor does one whose
	// parks always find an event. On one processor the goroutines it may wait
	// for, those of executors and resolvers, would then run only when the
	// runtime preempts it, every ten milliseconds. So it steps aside.
	if now-l.yielded > maxTimeUnyielded {
		l.yielded = now
		if !parked || took <= maxTimeUnyielded { // else it has just slept
			runtime.Gosched()
		}
	}
}

// runBatch runs the handles of this turn, and of those after it that have
// nothing else to do, until one panics.
func (l *Loop) runBatch() {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // not a Goexit, which goes its way
			l.handleException(ExceptionContext{
				Message: "panic in a callback",
				Err:     &PanicError{Value: v, Stack: debug.Stack()},
			})
		}
	}()
	for more := true; more; more = l.nextBatch() {
		for l.batch > 0 {
			r := l.ready.Pop()
			l.batch--
			if l.probe == nil {
				r.run()
			} else {
				l.probe.run(r)
			}
		}
	}
	returned = true
}

// nextBatch begins the next turn, where there is nothing to do in it but to run
// what is ready. It saves the way out of runBatch and in again.
func (l *Loop) nextBatch() bool {
	if l.stopping || l.turns+1 >= l.turnsUnpolled || l.ran > maxRunUnpolled || l.inbox.filled() || l.watched != nil {
		return false
	}
	if l.turns%turnsBetweenClocks == turnsBetweenClocks-1 && l.clock.Now()-l.polled > maxTimeUnpolled {
		l.turnsUnpolled = 1 // callbacks are slower than they were
		return false
	}
	if when, ok := l.timers.First(); ok && when <= int64(l.now) {
		return false
	}
	l.turns++
	l.batch = l.ready.Len()
	l.ran += l.batch
	return l.batch > 0
}

func (l *Loop) logger() *slog.Logger {
	if l.log != nil {
		return l.log
	}
	return slog.Default()
}

// Close ends what is left, and lets go of the driver's descriptors. Every await
// of a task that is not done returns [ErrLoopClosed] now; a task that goes on
// all the same is unwound, its deferred functions run. [Run] cancels the tasks
// first, which is kinder. Closing twice does nothing. It gives [ErrLoopRunning]
// when the loop runs. Python: loop.close.
func (l *Loop) Close() error {
	if l.closed {
		return nil
	}
	if l.running {
		return ErrLoopRunning
	}
	l.inbox.close()
	l.closing = true
	l.children.settle()
	before := coro.MarkGoroutine()
	l.endTasks()
	l.closeServers()
	l.sockets.abort(ErrLoopClosed)
	for len(l.datagrams) > 0 {
		l.datagrams[0].finish(ErrLoopClosed)
	}
	l.children.close(l)
	l.removeSignalHandlers()
	l.coros.Close()
	if !before {
		coro.UnmarkGoroutine()
	}
	l.abandonExecutor()
	l.unseen.report()
	l.closed = true
	close(l.gone)
	l.ready = ring.Queue[runnable]{}
	for _, ok := l.timers.First(); ok; _, ok = l.timers.First() {
		l.timers.Pop() // one by one: a handle that is cancelled later is not in the heap then
	}
	return l.driver.Close()
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.items = nil
	b.n.Store(0)
}

// endTasks makes every await of what is left return an error.
func (l *Loop) endTasks() {
	for l.tasks.head != nil {
		t := l.tasks.head
		if l.probe != nil {
			l.probe.leftAtClose(t)
		}
		if t.asleep() {
			t.sleeping.task = nil
		}
		if t.waiter != nil {
			t.waiter.remove(t)
		}
		t.mustCancel = false
		t.waiter, t.future.err = nil, ErrLoopClosed
		t.step()
		if t.state != pending {
			if errors.Is(t.err, ErrLoopClosed) {
				t.retrieved = true // no news to anybody
			}
			continue
		}
		l.handleException(ExceptionContext{
			Message: "task would not end while the loop closed; it was unwound",
			Err:     ErrLoopClosed,
			Task:    t.shell(),
		})
		l.coros.Unwind(t.co) // call finishes the task
	}
}
