package asyncio

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// AsCompleted returns the awaitables as they end, each once. Those that end in
// the same turn come in that order in which they ended. When timeout is over
// before all have ended, it returns no awaitable and a [*TimeoutError]; when the
// running task is cancelled, none and that error; and ends. Nothing is cancelled by
// that. It begins when it is ranged over, and the loop may leave it at any
// time. Python: async for over as_completed.
func AsCompleted[A Awaitable](ctx context.Context, timeout time.Duration, aws ...A) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		var none A
		t, level, err := enter(ctx)
		if err != nil {
			yield(none, err)
			return
		}
		if aws, err = distinct(t.loop, aws); err != nil {
			yield(none, fmt.Errorf("as completed: %w", err))
			return
		}
		c := newCompletion(t.loop, timeout, bases(aws))
		defer func() {
			// A time limit goes on after a cancellation until it is over or all
			// have ended, as in CPython: on a virtual clock that shows.
			if err == nil || c.timer == nil {
				c.drop()
			}
		}()
		for range aws {
			var i int
			if i, err = c.next(t, level); err != nil {
				yield(none, err)
				return
			}
			if !yield(aws[i], nil) {
				return
			}
		}
	}
}

// completion is an AsCompleted under way.
type completion struct {
	members []completionMember
	left    int   // members that have not ended
	ready   []int // those that have, and were not given yet
	lot     parkingLot
	timer   *TimerHandle
	late    bool // the time was over before all had ended
}

// completionMember is the callback of one awaitable.
type completionMember struct {
	c     *completion
	f     *future
	index int
}

func newCompletion(l *Loop, timeout time.Duration, futures []*future) *completion {
	c := &completion{members: make([]completionMember, len(futures)), left: len(futures)}
	for i, f := range futures {
		c.members[i] = completionMember{c, f, i}
		f.add(&c.members[i])
	}
	if c.left > 0 && timeout != NoTimeout {
		c.timer = l.CallLater(timeout, c.timeout)
	}
	return c
}

// run notes that a member has ended.
func (m *completionMember) run() {
	c := m.c
	if c.late {
		return
	}
	c.ready = append(c.ready, m.index)
	c.left--
	c.lot.wake()
	if c.left == 0 && c.timer != nil {
		c.timer.Cancel()
	}
}

func (c *completion) timeout() {
	c.late, c.timer = true, nil
	c.drop()
	c.lot.wake()
}

// next waits for one that has ended.
func (c *completion) next(t *task, level context.Context) (int, error) {
	for len(c.ready) == 0 {
		if c.late {
			return 0, new(TimeoutError)
		}
		if _, err := c.lot.park(t, level, c); err != nil {
			return 0, err
		}
	}
	i := c.ready[0]
	c.ready = c.ready[1:]
	return i, nil
}

// describeWait says that the first that ends is enough.
func (c *completion) describeWait(w *WaitLook) any {
	w.Kind, w.Any = "tasks", true
	return c
}

// drop lets go of the awaitables.
func (c *completion) drop() {
	for i := range c.members {
		c.members[i].f.remove(&c.members[i])
	}
	c.members = nil
	if c.timer != nil {
		c.timer.Cancel()
	}
}

func (m *completionMember) dependent() *future {
	if w := m.c.lot.head; w != nil {
		return &w.future
	}
	return nil
}
