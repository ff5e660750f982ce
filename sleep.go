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
	return t.sleep(d, level)
}

// sleep is Sleep in the running task, for a positive d. It allocates the first
// time.
func (t *task) sleep(d time.Duration, level context.Context) error {
	s := t.sleeping
	if s == nil {
		s = new(sleeper)
		s.node.Value = s
		s.done.loop = t.loop
		t.sleeping = s
	}
	s.done.state, s.done.err = pending, nil
	timers := &t.loop.timers
	timers.Push(&s.node, int64(t.loop.after(d)))
	err := t.wait(&s.done, level)
	if err != nil && !timers.Remove(&s.node) {
		// The timer is on its way through the ready queue. It must not meet
		// the next sleep there.
		t.sleeping = nil
	}
	return err
}

// sleeper is a timer and the future that it settles.
type sleeper struct {
	node heap.Node[runnable]
	done future
}

// run is called when the time is up.
func (s *sleeper) run() {
	if s.done.state == pending {
		s.done.setResult()
	}
}
