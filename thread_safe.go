package asyncio

import (
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// RunCoroutineThreadsafe runs fn as a task of the loop, from any goroutine but
// the loop's own, and waits for its result. When ctx ends, the task is
// cancelled, and awaited all the same: it may have something to clean up. It
// returns [ErrLoopClosed] when the loop is closed before the task has ended, and
// [ErrLoopRunning] on a loop's goroutine, which would wait for itself. Python:
// run_coroutine_threadsafe(...).result().
func RunCoroutineThreadsafe[T any](ctx context.Context, l *Loop, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if coro.OnMarkedGoroutine() {
		return zero, fmt.Errorf("run coroutine threadsafe: %w", ErrLoopRunning)
	}
	var t *Task[T] // of the loop's goroutine
	done := make(chan Outcome[T], 1)
	_, err := l.CallSoonThreadsafe(func() {
		t = newTask(fn).begin(l, ctx, nil)
		t.AddDoneCallback(func() { done <- outcomeOf(t.Result()) })
	})
	if err != nil {
		return zero, err
	}
	stop := context.AfterFunc(ctx, func() {
		_, _ = l.CallSoonThreadsafe(func() { t.CancelCause(context.Cause(ctx)) })
	})
	defer stop()
	select {
	case o := <-done:
		if IsCancelled(o.Err) && ctx.Err() != nil {
			o.Err = &endedError{op: "run coroutine threadsafe", cancelled: o.Err, cause: context.Cause(ctx)}
		}
		return o.Value, o.Err
	case <-l.gone:
		return zero, ErrLoopClosed
	}
}
