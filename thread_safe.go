package asyncio

import (
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// RunCoroutineThreadsafe runs fn as a task of the loop, from any goroutine but
// the loop's own, and waits for its result. When ctx ends, the task is
// cancelled, and awaited all the same: it may have something to clean up. It
// gives [ErrLoopClosed] when the loop is closed before the task has ended, and
// [ErrLoopRunning] on a loop's goroutine, which would wait for itself. Python:
// run_coroutine_threadsafe(...).result().
func RunCoroutineThreadsafe[T any](ctx context.Context, l *Loop, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if coro.OnMarkedGoroutine() {
		return zero, fmt.Errorf("run coroutine threadsafe: %w", ErrLoopRunning)
	}
	var t *Task[T] // of the loop's goroutine, until done is closed
	done := make(chan struct{})
	_, err := l.CallSoonThreadsafe(func() {
		t = newTask(l, ctx, fn, nil)
		t.AddDoneCallback(func() { close(done) })
	})
	if err != nil {
		return zero, err
	}
	stop := context.AfterFunc(ctx, func() {
		_, _ = l.CallSoonThreadsafe(func() { t.CancelCause(context.Cause(ctx)) })
	})
	defer stop()
	select {
	case <-done:
		return t.Result()
	case <-l.gone:
		return zero, ErrLoopClosed
	}
}
