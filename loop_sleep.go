package asyncio

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
)

// NoTimeout is a duration that never ends, for functions that take a time
// limit. Python: None.
const NoTimeout time.Duration = driver.Forever

// Sleep suspends the running task for d; for one turn of the loop when d is not
// positive, which costs no allocation. Python: sleep.
func Sleep(ctx context.Context, d time.Duration) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	if d <= 0 {
		t.loop.ready.Push(t) // yield, written out: see coro.Pool.Suspend
		return t.suspend()
	}
	s := t.fallAsleep(d) // t.sleep, written out: a frame less for the collector, of each that sleeps
	if level == nil || level.Done() == nil {
		err = t.suspend()
	} else {
		err = t.suspendUntil(level)
	}
	return t.awake(s, err)
}

// sleep is Sleep in the running task, for a positive d.
func (t *task) sleep(d time.Duration, level context.Context) error {
	s := t.fallAsleep(d)
	var err error
	if level == nil || level.Done() == nil {
		err = t.suspend()
	} else {
		err = t.suspendUntil(level)
	}
	return t.awake(s, err)
}

// fallAsleep sets the timer for a sleep. The task is suspended after that.
func (t *task) fallAsleep(d time.Duration) *sleeper {
	l := t.loop
	s := l.sleepers.get()
	s.node.Value, s.task = s, t
	t.sleeping = s
	l.timers.Push(&s.node, int64(l.after(d)))
	if t.mustCancel {
		t.mustCancel = t.insistent
		t.interruptWith(&CancelledError{Cause: t.cancelCause()})
	}
	return s
}

// awake takes the timer back. It returns err, what ended the sleep.
func (t *task) awake(s *sleeper, err error) error {
	t.sleeping = nil
	if err == nil || t.loop.timers.Remove(&s.node) { // else it is on its way through the ready queue
		t.loop.sleepers.put(s)
	}
	return err
}

// sleeper is the timer of a task that sleeps.
type sleeper struct {
	node heap.Node[runnable]
	task *task // nil when the sleep is over
}

// asleep reports whether t waits for its sleeper.
func (t *task) asleep() bool { return t.sleeping != nil && t.sleeping.task != nil }

// run is called when the time is up.
func (s *sleeper) run() {
	if t := s.task; t != nil {
		s.task = nil
		t.loop.ready.Push(t)
	}
}
