package asyncio

import (
	"context"
	"time"
)

// WaitFor awaits aw, and cancels it when it has not ended after timeout. Then
// it returns a [*TimeoutError]; but if aw ends in another way all the same, the
// result of that. Cancelling the running task cancels aw. Use [Shield] where
// that is not wanted.
//
// With [NoTimeout] it is Await. With a timeout that is not positive it returns
// the result of aw if that has ended, and else cancels it at once and waits
// until it has ended.
//
// For a function there is [Timeout], or a task made for it, or for what heeds a
// derived context, context.WithTimeout. Python: wait_for.
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
	s := new(TimeoutScope)
	s.begin(t, nil, t.loop.after(timeout))
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
	f.cancel(nil)
	err := t.wait(ended, level)
	f.remove(cb)
	return err
}
