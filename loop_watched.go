package asyncio

import (
	"context"
	"slices"
	"time"
)

// interruptAfter makes the end of ctx interrupt the wait that is about to begin.
//
// The news comes from a goroutine of the context's, at a moment that nobody
// can foresee. A loop that is to run the same way every time looks itself.
func (t *task) interruptAfter(ctx context.Context) (stop func() bool) {
	wait := t.waits + 1
	if w := t.loop.watched; w != nil {
		return w.add(watchedWait{t, wait, ctx})
	}
	return context.AfterFunc(ctx, func() {
		// When the loop is closed the task has been ended already.
		_, _ = t.loop.CallSoonThreadsafe(func() { t.interrupt(wait, ctx.Err()) })
	})
}

// watchedWaits are the waits of a loop on a clock that is not the real one that the end of a
// context is to interrupt, the oldest first.
type watchedWaits struct {
	waits []watchedWait
	again func() bool // of a loop that is stepped, or nil: see hook.SteppedLoop
}

type watchedWait struct {
	task *task
	wait uint32
	ctx  context.Context
}

func (w *watchedWaits) add(x watchedWait) (remove func() bool) {
	w.waits = append(w.waits, x)
	return func() bool {
		n := len(w.waits)
		w.waits = slices.DeleteFunc(w.waits, func(y watchedWait) bool { return y.task == x.task })
		return len(w.waits) < n
	}
}

// look interrupts the waits whose context has ended.
func (w *watchedWaits) look() {
	for _, x := range w.waits {
		if err := x.ctx.Err(); err != nil {
			x.task.interrupt(x.wait, err)
		}
	}
}

// ended reports whether look would interrupt something.
func (w *watchedWaits) ended() bool {
	for _, x := range w.waits {
		if x.task.waits == x.wait && x.ctx.Err() != nil {
			return true
		}
	}
	return false
}

// deadline returns the earliest deadline of the contexts.
func (w *watchedWaits) deadline() (first time.Time, ok bool) {
	for _, x := range w.waits {
		if when, has := x.ctx.Deadline(); has && (!ok || when.Before(first)) {
			first, ok = when, true
		}
	}
	return first, ok
}
