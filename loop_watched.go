package asyncio

import (
	"context"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
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
	ends  []*watchedEnd
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

// A watchedEnd is a function that is to be called when a context has ended.
type watchedEnd struct {
	ctx context.Context
	fn  func()
}

// whenDone calls fn on the loop when ctx has ended, unless stop was called before. Both
// it and stop are for the loop's goroutine.
func (l *Loop) whenDone(ctx context.Context, fn func()) (stop func()) {
	over := false
	once := func() {
		if !over {
			over = true
			fn()
		}
	}
	// On the virtual clock there may be sockets, and a goroutine that ends the context
	// while the loop waits for them: only in a closed world a look is enough.
	if _, closed := l.driver.(driver.Fence); closed && l.watched != nil {
		w := l.watched
		e := &watchedEnd{ctx, once}
		w.ends = append(w.ends, e)
		return func() {
			over = true
			w.ends = slices.DeleteFunc(w.ends, func(o *watchedEnd) bool { return o == e })
		}
	}
	forget := context.AfterFunc(ctx, func() {
		_, _ = l.CallSoonThreadsafe(once) // a loop that is closed has ended all that could need it
	})
	return func() {
		over = true
		forget()
	}
}

// look interrupts the waits whose context has ended, and has the functions called that
// waited for that.
func (w *watchedWaits) look(l *Loop) {
	if slices.ContainsFunc(w.ends, (*watchedEnd).due) {
		w.ends = slices.DeleteFunc(w.ends, func(e *watchedEnd) bool {
			if !e.due() {
				return false
			}
			l.ready.Push(newHandle(e.fn))
			return true
		})
	}
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
	return slices.ContainsFunc(w.ends, (*watchedEnd).due)
}

func (e *watchedEnd) due() bool { return e.ctx.Err() != nil }

// deadline returns the earliest deadline of the contexts.
func (w *watchedWaits) deadline() (first time.Time, ok bool) {
	earlier := func(ctx context.Context) {
		if when, has := ctx.Deadline(); has && (!ok || when.Before(first)) {
			first, ok = when, true
		}
	}
	for _, x := range w.waits {
		earlier(x.ctx)
	}
	for _, e := range w.ends {
		earlier(e.ctx)
	}
	return first, ok
}
