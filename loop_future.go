package asyncio

import (
	"context"
	"fmt"
	"slices"
)

// Awaitable is what can be waited for, without its result: a [*Future] or a
// [*Task] of any type. All methods are for the loop's goroutine. Python: Future.
type Awaitable interface {
	// Done reports whether it has ended. Python: Future.done.
	Done() bool
	// Cancelled reports whether it ended by a cancellation. Python: Future.cancelled.
	Cancelled() bool
	// Err returns the error it ended with, or nil; [ErrInvalidState] while it
	// has not ended. Python: Future.exception.
	Err() error
	// Cancel asks it to end, and reports whether it could be asked. Python:
	// Future.cancel, Task.cancel.
	Cancel() bool
	// CancelCause is Cancel with a cause, which the *CancelledError wraps.
	// Python: cancel(msg).
	CancelCause(cause error) bool
	// AddDoneCallback makes the loop call fn once it has ended, never at once.
	// remove takes that back and reports whether it was in time. Python:
	// Future.add_done_callback, remove_done_callback.
	AddDoneCallback(fn func()) (remove func() bool)
	// Loop returns its loop. Python: Future.get_loop.
	Loop() *Loop

	base() *future
}

// Awaiter is an [Awaitable] with a result of type T. Python: Future.
type Awaiter[T any] interface {
	Awaitable
	// Result returns what it ended with; [ErrInvalidState] while it has not.
	// Python: Future.result.
	Result() (T, error)
	// Await suspends the running task until it has ended, and returns the
	// result. Cancelling the running task cancels what it awaits. Python: await.
	Await(ctx context.Context) (T, error)
}

// runnable is what the ready queue holds: a callback, or a task's next step.
type runnable interface{ run() }

type futureState uint8

const (
	pending futureState = iota
	finished
	cancelled
)

// future is a Future without its value. All that schedules works on it, so
// that there is one instance of that code and not one for each type.
type future struct {
	loop      *Loop
	err       error
	state     futureState
	retrieved bool      // somebody has seen err
	taskFlags           // of a task: here, where there is room
	waits     uint32    // likewise
	callback  runnable  // nil, the only callback, or a callbackList
	canceller canceller // what Cancel does, where that is not simply to cancel
}

// taskFlags are of the future of a task. There is room for two bytes: with a third, each
// future would take eight more.
type taskFlags struct {
	mustCancel bool // a cancellation waits for the next step
	insistent  bool // and after it another one: a cancel scope around the task's waits is cancelled
}

// A canceller is a future with its own way to be cancelled: a task, a gather.
type canceller interface{ cancelWith(cause error) bool }

// A plainCanceller does nothing but cancel the future, which is anybody's to set:
// it stands there for what it knows of the future.
type plainCanceller interface {
	canceller
	plain()
}

func isPlain(c canceller) bool {
	_, ok := c.(plainCanceller)
	return ok
}

func (f *future) base() *future { return f }

// add makes the loop run r once f is done; soon, when it is.
func (f *future) add(r runnable) {
	if f.state != pending {
		f.loop.ready.Push(r)
		return
	}
	switch c := f.callback.(type) {
	case nil:
		f.callback = r
	case *callbackList:
		c.all = append(c.all, r)
	default:
		f.callback = &callbackList{[]runnable{c, r}}
	}
}

// remove takes r back, and reports whether it was there.
func (f *future) remove(r runnable) bool {
	if f.callback == r {
		f.callback = nil
		return true
	}
	list, ok := f.callback.(*callbackList)
	if !ok {
		return false
	}
	i := slices.Index(list.all, r)
	if i < 0 {
		return false
	}
	list.all = slices.Delete(list.all, i, i+1)
	return true
}

// callbacks returns those that run when f is done, in their order.
func (f *future) callbacks(yield func(runnable) bool) {
	switch c := f.callback.(type) {
	case nil:
	case *callbackList:
		for _, r := range c.all {
			if !yield(r) {
				return
			}
		}
	default:
		yield(c)
	}
}

// A dependent is a callback of a future that stands for another: what that is
// waits for the one whose callback this is. It is nil when nobody does.
type dependent interface{ dependent() *future }

// A callbackList is the callbacks of a future that has several: few have. It
// stands where the only one does, and is not run itself.
type callbackList struct{ all []runnable }

func (*callbackList) run() { panic("asyncio: a list of callbacks was scheduled") }

func (f *future) settle(state futureState, err error) {
	f.state, f.err = state, err
	switch c := f.callback.(type) {
	case nil:
	case *callbackList:
		for _, r := range c.all {
			f.loop.ready.Push(r)
		}
	default:
		f.loop.ready.Push(c)
	}
	f.callback = nil
	if state == finished && err != nil {
		f.loop.unseen.add(f)
	}
}

// setResult settles f, which must be pending.
func (f *future) setResult() { f.settle(finished, nil) }

// setError settles f, which must be pending, as failed or, if err is one, as
// cancelled.
func (f *future) setError(err error) {
	if IsCancelled(err) {
		f.settle(cancelled, err)
	} else {
		f.settle(finished, err)
	}
}

// cancel cancels whatever f is the base of.
func (f *future) cancel(cause error) bool {
	if f.canceller != nil {
		return f.canceller.cancelWith(cause)
	}
	return f.cancelPlain(cause)
}

func (f *future) cancelPlain(cause error) bool {
	if f.state != pending {
		return false
	}
	f.settle(cancelled, &CancelledError{Cause: cause})
	return true
}

// outcome returns the error of a future that is done, and notes that somebody
// has seen it.
func (f *future) outcome() error {
	f.retrieved = true
	return f.err
}

func (f *future) Done() bool      { return f.state != pending }
func (f *future) Cancelled() bool { return f.state == cancelled }

func (f *future) Err() error {
	if f.state == pending {
		return fmt.Errorf("%w: the result is not set", ErrInvalidState)
	}
	return f.outcome()
}

func (f *future) Cancel() bool { return f.CancelCause(nil) }

func (f *future) CancelCause(cause error) bool {
	if f.loop.probe != nil {
		f.loop.probe.mustBeHere()
	}
	return f.cancel(cause)
}

func (f *future) AddDoneCallback(fn func()) (remove func() bool) {
	cb := &doneCallback{fn: fn}
	f.add(cb)
	return func() bool { return f.remove(cb) }
}

func (f *future) Loop() *Loop { return f.loop }

// doneCallback is a function that waits for a future.
type doneCallback struct{ fn func() }

func (c *doneCallback) run() { c.fn() }

// A Future is a result that is not there yet. Somebody sets it, once; tasks
// await it. Python: Future.
//
// It belongs to one loop, and all its methods are for that loop's goroutine.
// To set it from another, go through [Loop.CallSoonThreadsafe].
type Future[T any] struct {
	future
	value T
}

// NewFuture makes a future of loop. Python: loop.create_future.
func NewFuture[T any](loop *Loop) *Future[T] {
	f := &Future[T]{}
	f.init(loop)
	return f
}

// init makes a zero Future one of loop.
func (f *Future[T]) init(loop *Loop) {
	f.future.loop = loop
	if loop.probe != nil {
		loop.probe.madeFuture(&f.future)
	}
}

// Done reports whether the future has a result, an error or was cancelled.
// Python: Future.done.
func (f *Future[T]) Done() bool { return f.future.Done() }

// Cancelled reports whether the future was cancelled. Python: Future.cancelled.
func (f *Future[T]) Cancelled() bool { return f.future.Cancelled() }

// Result returns the result or the error; [ErrInvalidState] while there is
// neither. Python: Future.result.
func (f *Future[T]) Result() (T, error) {
	return f.value, f.future.Err()
}

// Err returns the error, or nil; [ErrInvalidState] while the future is pending.
// Python: Future.exception.
func (f *Future[T]) Err() error { return f.future.Err() }

// SetResult sets the result of the future. It is [ErrInvalidState] when it has
// one, or an error, or was cancelled. Python: Future.set_result.
func (f *Future[T]) SetResult(v T) error {
	if err := f.settable(); err != nil {
		return err
	}
	f.value = v
	f.setResult()
	return nil
}

// SetError makes the future fail. An err that [IsCancelled] cancels it. It is
// [ErrInvalidState] when the future is done. Python: Future.set_exception.
func (f *Future[T]) SetError(err error) error {
	if e := f.settable(); e != nil {
		return e
	}
	if err == nil {
		return fmt.Errorf("%w: SetError(nil)", ErrInvalidState)
	}
	f.setError(err)
	return nil
}

func (f *Future[T]) settable() error {
	if f.loop.probe != nil {
		if err := f.loop.probe.wrongGoroutine(); err != nil {
			return err
		}
	}
	if f.canceller != nil && !isPlain(f.canceller) {
		return fmt.Errorf("%w: the result of this future is not for others to set", ErrInvalidState)
	}
	if f.state != pending {
		return fmt.Errorf("%w: the result is already set", ErrInvalidState)
	}
	return nil
}

// Cancel cancels the future: whoever awaits it gets a [*CancelledError]. It returns
// false when the future is done. Python: Future.cancel.
func (f *Future[T]) Cancel() bool { return f.future.CancelCause(nil) }

// CancelCause is [Future.Cancel] with a cause, which the [*CancelledError] wraps.
// Python: Future.cancel(msg).
func (f *Future[T]) CancelCause(cause error) bool { return f.future.CancelCause(cause) }

// AddDoneCallback makes the loop call fn in the turn after the future is done;
// in the next turn, when it is. remove takes that back and reports whether it was
// in time. Python: Future.add_done_callback, remove_done_callback.
func (f *Future[T]) AddDoneCallback(fn func()) (remove func() bool) {
	return f.future.AddDoneCallback(fn)
}

// Loop returns the future's loop. Python: Future.get_loop.
func (f *Future[T]) Loop() *Loop { return f.loop }

// Await suspends the running task until the future is done, and returns its
// result; at once, without a turn of the loop, when it is done. Cancelling the
// running task cancels the future: where that is not wanted, use [Shield]. The
// end of a context that was derived from the task's ends the wait and leaves
// the future alone. Python: await.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if err := await(ctx, &f.future); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// await is Await without the value.
func await(ctx context.Context, f *future) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return t.wait(f, level)
}
