package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// The time limit of a loop that was cancelled goes on until it is over, as in
// CPython; one that ended, or was left, takes it along.
func TestTheLimitOfAsCompletedOutlivesACancellationOnly(t *testing.T) {
	for name, c := range map[string]struct {
		cancel bool
		left   int // timers
	}{"left": {false, 0}, "cancelled": {true, 1}} {
		inVirtualTime(t, func(ctx context.Context) {
			l := loopOf(ctx)
			before := l.Stats().Timers
			done := asyncio.NewFuture[int](l)
			never := asyncio.NewFuture[int](l)
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				for _, err := range asyncio.AsCompleted(ctx, 10*time.Second, done, never) {
					if err != nil {
						return err
					}
					return nil
				}
				return nil
			})
			asyncio.Sleep(ctx, 0)
			if c.cancel {
				task.Cancel()
			} else {
				done.SetResult(1)
			}
			if _, err := task.Await(ctx); asyncio.IsCancelled(err) != c.cancel {
				t.Errorf("%s: %v", name, err)
			}
			if n := l.Stats().Timers - before; n != c.left {
				t.Errorf("%s: %d timers, want %d", name, n, c.left)
			}
			asyncio.Sleep(ctx, 20*time.Second)
			if n := l.Stats().Timers - before; n != 0 {
				t.Errorf("%s: %d timers in the end", name, n)
			}
		})
	}
}

// Nothing is left of the limit when all have ended, before the loop over them has.
func TestTheLimitOfAsCompletedEndsWithTheLast(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		l := loopOf(ctx)
		before := l.Stats().Timers
		last := asyncio.NewFuture[int](l)
		l.CallSoon(func() { last.SetResult(1) })
		for range asyncio.AsCompleted(ctx, 10*time.Second, last) {
			if n := l.Stats().Timers - before; n != 0 {
				t.Errorf("%d timers", n)
			}
		}
	})
}

// What was shielded and fails after the wait for it has ended by its context is
// told of, since nobody has seen it.
func TestAFailureBehindAShieldWhoseContextEndedIsReported(t *testing.T) {
	var told []error
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := loopOf(ctx)
		inner := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_ = asyncio.Sleep(ctx, time.Minute)
			return 0, errBoom
		})
		level, cancel := context.WithCancel(ctx)
		l.CallLater(time.Second, cancel)
		if _, err := asyncio.Shield(level, inner); !errors.Is(err, context.Canceled) {
			t.Errorf("the wait: %v", err)
		}
		return asyncio.Sleep(ctx, time.Hour)
	}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		told = append(told, c.Err)
	}))
	if err != nil || len(told) != 1 || !errors.Is(told[0], errBoom) {
		t.Errorf("%v; told of %v", err, told)
	}
}
