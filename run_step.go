package asyncio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
)

func init() {
	hook.WithDriver = func(d driver.Driver) any {
		return option(func(c *config) {
			c.newDriver = func() (driver.Driver, error) { return d, nil }
			c.stallLimit = 0
		})
	}
	hook.Driver = func(l any) driver.Driver { return l.(*Loop).driver }
	hook.WrapDriver = func(wrap func(driver.Driver) (driver.Driver, error)) any {
		return option(func(c *config) {
			make := c.newDriver
			if make == nil {
				make = newDriver
			}
			c.newDriver = func() (driver.Driver, error) {
				d, err := make()
				if err != nil {
					return nil, err
				}
				return wrap(d)
			}
		})
	}
	hook.Step = func(l any) hook.SteppedLoop {
		s := (*steppedLoop)(l.(*Loop))
		s.watched = new(watchedWaits)
		s.coros.Simulated = true
		return s
	}
	hook.WhenDone = func(l any, ctx context.Context, fn func()) (stop func()) { return l.(*Loop).whenDone(ctx, fn) }
	hook.Rand = func(l any, n int64) int64 {
		if c, ok := l.(*Loop).driver.(driver.Chooser); ok {
			return c.Choose(n)
		}
		return rand.Int64N(n)
	}
	hook.Clock = func(l any) func() time.Time {
		if c, ok := l.(*Loop).driver.(driver.WallClock); ok {
			return c.WallTime
		}
		return time.Now
	}
	hook.LookupNetIP = lookupInWorld
}

// lookupInWorld looks a name up where the running task's loop knows names itself.
func lookupInWorld(ctx context.Context, network, host string) (ips []netip.Addr, known bool, err error) {
	t, level, err := enter(ctx)
	if err != nil {
		return nil, false, err
	}
	if _, known = t.loop.driver.(driver.Resolver); known {
		ips, err = new(streamOptions).lookup(t, level, network, host)
	}
	return ips, known, err
}

// A steppedLoop is a loop that somebody else turns.
type steppedLoop Loop

// Turn implements [hook.SteppedLoop].
func (s *steppedLoop) Turn() error {
	s.running = true
	s.pace.turnsUnpolled = 1        // its time is that of the world, which may have gone on
	s.pace.yielded = driver.Forever // there is nobody to step aside for
	defer (*steppedLoop).turned(s)  // a task may end the goroutine
	if s.probe != nil {
		s.probe.enter()
	}
	return (*Loop)(s).turn()
}

func (s *steppedLoop) turned() {
	s.running, s.stopping, s.current = false, false, nil
	if s.probe != nil {
		s.probe.leave()
	}
}

// Ready implements [hook.SteppedLoop].
func (s *steppedLoop) Ready(now time.Duration) bool {
	if s.ready.Len() > 0 || s.inbox.filled() {
		return true
	}
	if when, ok := s.timers.First(); ok && when <= int64(now) {
		return true
	}
	return s.watched.ended()
}

// Next implements [hook.SteppedLoop].
func (s *steppedLoop) Next() time.Duration {
	if when, ok := s.timers.First(); ok {
		return time.Duration(when)
	}
	return driver.Forever
}

// Deadline implements [hook.SteppedLoop].
func (s *steppedLoop) Deadline() (time.Time, bool) { return s.watched.deadline() }

// Again implements [hook.SteppedLoop].
func (s *steppedLoop) Again(f func() bool) { s.watched.again = f }

// Tasks implements [hook.SteppedLoop].
func (s *steppedLoop) Tasks() []hook.TaskState {
	all := make([]hook.TaskState, 0, s.tasks.n)
	for t := s.tasks.head; t != nil; t = t.next {
		k := hook.TaskState{ID: t.id, Name: t.name(), State: t.stateName(), Steps: t.waits}
		if k.State == "waits" {
			k.Waits = (*Loop)(s).whatFor(t)
		}
		all = append(all, k)
	}
	return all
}

// whatFor says in a few words what a task that waits waits for.
func (l *Loop) whatFor(t *task) string {
	var w WaitLook
	l.whatAwaits(t, &w)
	text := w.Kind
	if w.Detail != "" {
		text += " " + w.Detail
	}
	for _, id := range w.Tasks {
		text += fmt.Sprintf(" Task-%d", id)
	}
	return strings.TrimSpace(text)
}

// Close implements [hook.SteppedLoop]. Whoever steps the loop knows where it is at
// home; to find that out costs some microseconds.
func (s *steppedLoop) Close() error {
	if s.closed {
		return nil
	}
	return (*Loop)(s).end()
}

// Abandon implements [hook.SteppedLoop].
func (s *steppedLoop) Abandon() { s.pace.batch = 0 }

// Arrange implements [hook.SteppedLoop].
func (s *steppedLoop) Arrange(f func(tasks []uint64) (order []int, run int)) {
	var things []runnable
	var tasks []uint64
	s.arrange = func() int {
		things, tasks = things[:0], tasks[:0]
		for s.ready.Len() > 0 {
			r := s.ready.Pop()
			id := uint64(0)
			if t, ok := r.(*task); ok {
				id = t.id
			}
			things, tasks = append(things, r), append(tasks, id)
		}
		order, run := f(tasks)
		for _, i := range order {
			s.ready.Push(things[i])
		}
		clear(things)
		return run
	}
}
