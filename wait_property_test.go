package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

var errBoom = errors.New("boom")

// inVirtualTime runs main on the virtual clock. A program that hangs ends with
// ErrDeadlock there, so no test needs a time limit.
func inVirtualTime(t testing.TB, main func(ctx context.Context)) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		main(ctx)
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

// holds runs main on the virtual clock for rapid, which has to see the panics
// of its own that end a run.
func holds(rt *rapid.T, main func(ctx context.Context) error) {
	err := asyncio.Run(context.Background(), main, asyncio.WithVirtualClock())
	var p *asyncio.PanicError
	if errors.As(err, &p) {
		panic(p.Value)
	}
	if err != nil {
		rt.Fatal(err)
	}
}

// inRealTime is for what ends by a context of the standard library.
func inRealTime(t testing.TB, main func(ctx context.Context)) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		main(ctx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// turns lets n turns of the loop go by.
func turns(ctx context.Context, n int) {
	for range n {
		_ = asyncio.Sleep(ctx, 0)
	}
}

func loopOf(ctx context.Context) *asyncio.Loop {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return l
}

// now returns the time since the virtual clock's start.
func now(ctx context.Context) time.Duration { return loopOf(ctx).Time() }

// after starts a task that returns v after d.
func after[T any](ctx context.Context, d time.Duration, v T) *asyncio.Task[T] {
	return asyncio.CreateTask(ctx, func(ctx context.Context) (T, error) {
		return v, asyncio.Sleep(ctx, d)
	})
}

// failAfter starts a task that fails after d.
func failAfter(ctx context.Context, d time.Duration, failure error) *asyncio.Task[int] {
	return asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
		if err := asyncio.Sleep(ctx, d); err != nil {
			return 0, err
		}
		return 0, failure
	})
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got the error %v, want %v", got, want)
	}
}

func wantCancelled(t testing.TB, err error, message string) {
	t.Helper()
	var c *asyncio.CancelledError
	if !asyncio.IsCancelled(err) || !errors.As(err, &c) || causeText(c) != message {
		t.Errorf("got %v, want a cancellation with the cause %q", err, message)
	}
}

func causeText(c *asyncio.CancelledError) string {
	if c.Cause == nil {
		return ""
	}
	return c.Cause.Error()
}

func wantTimeout(t testing.TB, err error) {
	t.Helper()
	var e *asyncio.TimeoutError
	if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || asyncio.IsCancelled(err) {
		t.Errorf("got %v, want a TimeoutError", err)
	}
}

// wantMisuse calls fn, which must panic with a MisuseError of want.
func wantMisuse(t testing.TB, want error, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		m, ok := recover().(*asyncio.MisuseError)
		if !ok || !errors.Is(m, want) || m.Op == "" {
			t.Errorf("panicked with %v, want a MisuseError of %v", m, want)
		}
	}()
	fn()
}

// random draws from rapid, so that a failure shrinks.
type random struct{ rt *rapid.T }

// upTo returns a number from 0 to n.
func (r random) upTo(n int) int { return rapid.IntRange(0, n).Draw(r.rt, "number") }

// delay is often none, so that much happens in the same turn.
func (r random) delay() time.Duration {
	return time.Duration(max(0, r.upTo(6)-3)) * time.Millisecond
}

// cancelRandomly starts tasks of fn at random times and cancels some of them at
// others. All must end, those that were not cancelled without an error.
func cancelRandomly(ctx context.Context, r random, fn func(context.Context) error) error {
	tasks := make([]*asyncio.Task[struct{}], 2+r.upTo(6))
	cancelled := make([]bool, len(tasks))
	for i := range tasks {
		start := r.delay()
		tasks[i] = asyncio.Go(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, start); err != nil {
				return err
			}
			return fn(ctx)
		})
	}
	for range r.upTo(6) {
		if err := asyncio.Sleep(ctx, r.delay()); err != nil {
			return err
		}
		i := r.upTo(len(tasks) - 1)
		cancelled[i] = tasks[i].Cancel() || cancelled[i]
	}
	for i, task := range tasks {
		_, err := asyncio.WaitFor(ctx, time.Second, task)
		if err != nil && !(cancelled[i] && asyncio.IsCancelled(err)) {
			return fmt.Errorf("task %d (cancelled: %v): %w", i, cancelled[i], err)
		}
	}
	return nil
}

func collectGarbage() { runtime.GC() }
