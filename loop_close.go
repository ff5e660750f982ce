package asyncio

import (
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/ring"
)

// Close ends what is left, and lets go of the driver's descriptors. Every await
// of a task that is not done returns [ErrLoopClosed] now; a task that goes on
// all the same is unwound, its deferred functions run. [Run] cancels the tasks
// first, which is kinder. Closing twice does nothing. It returns [ErrLoopRunning]
// when the loop runs. Python: loop.close.
func (l *Loop) Close() (err error) {
	if l.closed {
		return nil
	}
	if l.running {
		return ErrLoopRunning
	}
	if l.coros.Alive() > 0 {
		if err := l.comeHome(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	return l.end()
}

// end is Close where the loop may be closed.
func (l *Loop) end() (err error) {
	l.inbox.close()
	l.closing = true
	l.parts.settle()
	defer func() { err = l.letGo() }() // also when a task ends the goroutine
	l.endTasks()
	return nil
}

// letGo is Close when all tasks have ended.
func (l *Loop) letGo() error {
	l.parts.close(l)
	l.coros.Close()
	l.unseen.report()
	l.closed = true
	close(l.gone)
	l.ready = ring.Queue[runnable]{}
	for _, ok := l.timers.First(); ok; _, ok = l.timers.First() {
		l.timers.Pop() // one by one: a handle that is cancelled later is not in the heap then
	}
	return l.driver.Close()
}

// endTasks ends what is left. When a task ends the goroutine meanwhile, the
// others are ended before that goes on.
func (l *Loop) endTasks() {
	if !coro.MarkGoroutine() {
		defer coro.UnmarkGoroutine()
	}
	defer func() {
		if l.tasks.head != nil {
			l.endTasks()
		}
	}()
	for l.tasks.head != nil {
		l.endTask(l.tasks.head)
	}
}

// endTask makes every await of a task return an error, and unwinds it when it
// goes on all the same.
func (l *Loop) endTask(t *task) {
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
		return
	}
	l.handleException(ExceptionContext{
		Message: "task would not end while the loop closed; it was unwound",
		Err:     ErrLoopClosed,
		Task:    t.any(),
	})
	l.coros.Unwind(t.co)
	if !t.retrieved {
		t.retrieved = true
		l.handleException(ExceptionContext{
			Message: "panic in a deferred function of a task that was unwound",
			Err:     t.err,
			Task:    t.any(),
		})
	}
}
