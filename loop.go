package asyncio

import (
	"log/slog"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
	"github.com/asyncio-go/asyncio/internal/ring"
)

// Loop is an event loop. One goroutine at a time runs it, and all its state
// belongs to that goroutine: but for [Loop.CallSoonThreadsafe] no method may be
// called from another. It is not locked, and needs no lock. Python:
// AbstractEventLoop.
//
// Most programs never make one: [Run] does.
type Loop struct {
	// What is to run now, and what runs. A callback touches all of it, so it stands
	// together.
	ready   ring.Queue[runnable]
	handles []Handle // for the next callbacks
	current *task    // the task that runs
	probe   probe    // nil but where the loop is to explain itself
	notes   notes
	pace    pace

	running, stopping, closing, closed bool

	// Time.
	timers heap.Heap[runnable]
	driver driver.Driver
	clock  driver.Clock  // the driver's, or a virtual one
	now    time.Duration // the clock when it was last read
	counts counts

	// Tasks, and what they need for their waits.
	tasks    taskList
	coros    coro.Pool
	gaveBack gaveBack
	home     coro.Home // where the coroutines were made
	sleepers spares[sleeper]
	waiters  spares[waiter]
	watched  *watchedWaits // nil but on the virtual clock and in a simulated world
	arrange  func() int    // nil but in a simulated world: puts what is ready in another order, and returns how much of it to run

	// What comes from outside.
	inbox inbox
	gone  chan struct{} // closed when the loop is

	// What others keep here, and are told.
	parts   partList
	onRun   runWatcher // or nil
	unseen  unseenErrors
	log     *slog.Logger // nil: the default one
	onError ExceptionHandler
	stuck   func() error // returns the error of a loop in which nothing can happen any more
}

// init makes a loop of a zero one that has its driver and its clock.
func (l *Loop) init() {
	l.pace.turnsUnpolled = 1
	l.gone = make(chan struct{})
	l.unseen.loop = l
	l.coros.Next = l.successor
	l.inbox.isFilled = l.inbox.filled
}

// Time returns the loop's clock: the time since some fixed moment. It never goes
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
// when d is not positive, those with the least d first. Callbacks due at the same
// time run in the order in which they were given. On Linux a timer may be late by a millisecond. It
// panics with [ErrLoopClosed] when the loop is closed. For the loop's
// goroutine. Python: loop.call_later.
func (l *Loop) CallLater(d time.Duration, fn func()) *TimerHandle {
	return l.CallAt(l.after(d), fn)
}

// after returns the time d from now, or the end of time.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.Time()
	if d > driver.Forever-now {
		return driver.Forever
	}
	return now + d
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

// IsRunning reports whether the loop runs. Python: loop.is_running.
func (l *Loop) IsRunning() bool { return l.running }

// IsClosed reports whether the loop was closed. Python: loop.is_closed.
func (l *Loop) IsClosed() bool { return l.closed }

// CurrentTask returns the task that runs, or nil. Python: current_task.
func (l *Loop) CurrentTask() AnyTask {
	if l.current == nil {
		return nil
	}
	return l.current.any()
}

// AllTasks returns the tasks that have not ended, in the order in which they were
// created. Python: all_tasks.
func (l *Loop) AllTasks() []AnyTask {
	all := make([]AnyTask, 0, l.tasks.n)
	for t := l.tasks.head; t != nil; t = t.next {
		all = append(all, t.any())
	}
	return all
}

func (l *Loop) logger() *slog.Logger {
	if l.log != nil {
		return l.log
	}
	return slog.Default()
}
