package asyncio

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
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
	return t.sleep(d, level)
}

// sleep is Sleep in the running task. It allocates the first time.
func (t *task) sleep(d time.Duration, level context.Context) error {
	if d <= 0 {
		return t.yield()
	}
	s := t.sleeping
	if s == nil {
		s = new(sleeper)
		s.node.Value = &s.TimerHandle
		s.fn = s.wake
		s.loop, s.done.loop = t.loop, t.loop
		t.sleeping = s
	}
	s.done.state, s.done.err = pending, nil
	s.when = t.loop.after(d)
	t.loop.timers.Push(&s.node, int64(s.when))
	err := t.wait(&s.done, level)
	if err != nil && !t.loop.timers.Remove(&s.node) {
		// The timer is on its way through the ready queue. It must not meet
		// the next sleep there.
		t.sleeping = nil
	}
	return err
}

// sleeper is the timer of a Sleep and the future that it settles, in one piece.
type sleeper struct {
	TimerHandle
	done future
}

func (s *sleeper) wake() {
	if s.done.state == pending {
		s.done.setResult()
	}
}
