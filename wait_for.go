package asyncio

import (
	"context"
	"time"
)

// WaitFor awaits aw, and cancels it when it has not ended after timeout. Then
// it gives a [*TimeoutError]; but if aw ends in another way all the same, the
// result of that. Cancelling the running task cancels aw. Use [Shield] where
// that is not wanted.
//
// With [NoTimeout] it is Await. With a timeout that is not positive it gives
// the result of aw if that has ended, and else cancels it at once and waits
// until it has ended. Python: wait_for of a future.
func WaitFor[T any](ctx context.Context, timeout time.Duration, aw Awaiter[T]) (T, error) {
	var zero T
	t, level, err := enter(ctx)
	if err != nil {
		return zero, err
	}
	if err := t.waitFor(aw.base(), level, timeout); err != nil {
		return zero, err
	}
	return aw.Result()
}

func (t *task) waitFor(f *future, level context.Context, timeout time.Duration) error {
	switch {
	case f.state != pending:
		return f.outcome()
	case timeout <= 0:
		if err := t.cancelAndWait(f, level); err != nil {
			return err
		}
		if err := f.outcome(); !IsCancelled(err) {
			return err
		}
		return &TimeoutError{cause: f.err}
	}
	s := new(Scope)
	s.begin(t, nil, t.loop.deadline(timeout))
	return s.end(t.wait(f, level))
}

// cancelAndWait cancels f and waits until it has ended. It does not await f
// itself, because then the end of f by this cancellation and one of t would
// look the same.
func (t *task) cancelAndWait(f *future, level context.Context) error {
	if f.loop != t.loop {
		return ErrWrongLoop
	}
	ended := &future{loop: t.loop}
	cb := &doneCallback{fn: func() {
		if ended.state == pending {
			ended.setResult()
		}
	}}
	f.add(cb)
	f.cancel("")
	err := t.wait(ended, level)
	f.remove(cb)
	return err
}

// WaitForFunc runs fn in the running task, and cancels it when it has not
// returned after timeout: it is [Timeout] for a function with a result. With a
// timeout that is not positive fn is not called. Python: wait_for of a
// coroutine.
func WaitForFunc[T any](ctx context.Context, timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var v, zero T
	t, level, err := enter(ctx)
	if err != nil {
		return zero, err
	}
	if timeout <= 0 {
		never := newTask(t.loop, ctx, fn, nil)
		return zero, t.waitFor(&never.future, level, timeout)
	}
	err = t.within(ctx, t.loop.deadline(timeout), func(ctx context.Context, _ *Scope) (err error) {
		v, err = fn(ctx)
		return err
	})
	if err != nil {
		return zero, err
	}
	return v, nil
}
