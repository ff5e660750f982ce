package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestTaskIsCancelledWhereItStands(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		cleaned := false
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			defer func() { cleaned = true }()
			return asyncio.Sleep(ctx, time.Hour)
		})
		asyncio.Sleep(ctx, time.Second)
		if !task.CancelCause(errors.New("enough")) || task.Cancelling() != 1 {
			t.Error("Cancel was refused or not counted")
		}
		_, err := task.Await(ctx)
		var c *asyncio.CancelledError
		if !errors.As(err, &c) || causeText(c) != "enough" || !errors.Is(err, context.Canceled) || !task.Cancelled() || !cleaned {
			t.Errorf("got %v, cancelled %v, cleaned %v", err, task.Cancelled(), cleaned)
		}
		if task.Cancel() {
			t.Error("a task that has ended could be cancelled")
		}
	})
}

func TestTaskThatCatchesACancellationGoesOn(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			err := asyncio.Sleep(ctx, time.Hour)
			if err2 := asyncio.Sleep(ctx, time.Second); err2 != nil { // an edge: it comes once
				return "", err2
			}
			return fmt.Sprint(asyncio.IsCancelled(err)), nil
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if v, err := task.Await(ctx); v != "true" || err != nil || task.Cancelled() {
			t.Errorf("got %q, %v", v, err)
		}
	})
}

func TestTaskCancelledBeforeItBeginsNeverRuns(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.Go(ctx, func(context.Context) error { t.Error("it ran"); return nil })
		task.CancelCause(errors.New("no"))
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || !strings.Contains(err.Error(), "no") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCancellingATaskCancelsWhatItAwaits(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		inner := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		outer := asyncio.Go(ctx, func(ctx context.Context) error { _, err := inner.Await(ctx); return err })
		asyncio.Sleep(ctx, 0)
		outer.CancelCause(errors.New("both"))
		_, err := outer.Await(ctx)
		if !inner.Cancelled() || !outer.Cancelled() || !strings.Contains(err.Error(), "both") {
			t.Errorf("inner %v, outer %v, %v", inner.Cancelled(), outer.Cancelled(), err)
		}
	})
}

func TestWrappedCancellationCountsButOneAmongOthersDoesNot(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		wrapped := asyncio.Go(ctx, func(context.Context) error { return fmt.Errorf("cleanup: %w", &asyncio.CancelledError{}) })
		joined := asyncio.Go(ctx, func(context.Context) error { return errors.Join(errors.New("x"), &asyncio.CancelledError{}) })
		wrapped.Await(ctx)
		joined.Await(ctx)
		if !wrapped.Cancelled() || joined.Cancelled() {
			t.Errorf("wrapped %v, joined %v", wrapped.Cancelled(), joined.Cancelled())
		}
	})
}

func TestContextOfATaskIsDoneWhileItIsAskedToEnd(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			derived, stop := context.WithCancel(ctx)
			defer stop()
			old := ctx.Done()
			if ctx.Err() != nil {
				t.Error("the context ended before")
			}
			asyncio.Sleep(ctx, time.Hour)
			<-old // closed
			if ctx.Err() != context.Canceled || derived.Err() != context.Canceled || context.Cause(ctx).Error() != "asyncio: cancelled: why" {
				t.Errorf("Err %v, derived %v, cause %v", ctx.Err(), derived.Err(), context.Cause(ctx))
			}
			asyncio.CurrentTask(ctx).Uncancel()
			if ctx.Err() != nil || derived.Err() == nil {
				t.Errorf("after Uncancel: Err %v, derived %v", ctx.Err(), derived.Err())
			}
			return asyncio.Sleep(ctx, time.Second)
		})
		asyncio.Sleep(ctx, 0)
		task.CancelCause(errors.New("why"))
		if _, err := task.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestDerivingFromATasksContextStartsNoGoroutine(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		before := runtime.NumGoroutine()
		type key struct{}
		for range 100 {
			c, stop := context.WithCancel(context.WithValue(ctx, key{}, 1))
			defer stop()
			c, stop = context.WithTimeout(c, time.Hour)
			defer stop()
			_ = c
		}
		after := runtime.NumGoroutine()
		for range 100 { // the count is off while the runtime moves dead goroutines about
			if after <= before {
				return
			}
			after = runtime.NumGoroutine()
		}
		t.Errorf("%d goroutines before, %d after", before, after)
	})
}

func TestNewTaskTakesTheValuesOfItsContextAndNotItsEnd(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		type key struct{}
		c, stop := context.WithCancel(context.WithValue(ctx, key{}, "value"))
		task := asyncio.CreateTask(c, func(ctx context.Context) (any, error) {
			err := asyncio.Sleep(ctx, time.Second)
			return ctx.Value(key{}), err
		})
		asyncio.Sleep(ctx, 0)
		stop()
		if v, err := task.Await(ctx); v != "value" || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if _, err := task.Await(c); err != context.Canceled {
			t.Errorf("an await with the ended context gave %v", err)
		}
		if err := asyncio.Sleep(context.WithoutCancel(c), time.Second); err != nil {
			t.Errorf("without its end it gave %v", err)
		}
	})
}

func TestContextOfAnotherTaskAddsItsEnd(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		other := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		asyncio.Sleep(ctx, 0)
		must(asyncio.RunningLoop(ctx)).CallLater(time.Second, func() { other.Cancel() })
		if err := asyncio.Sleep(other.Context(), 2*time.Hour); err != context.Canceled {
			t.Errorf("Sleep gave %v", err)
		}
		other.Await(ctx)
	})
}

func TestWhereNothingCanWaitThereIsAnError(t *testing.T) {
	if err := asyncio.Sleep(t.Context(), 1); err != asyncio.ErrNoRunningLoop {
		t.Errorf("without a loop: %v", err)
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		done := asyncio.NewFuture[error](l)
		l.CallSoon(func() { done.SetResult(asyncio.Sleep(ctx, 0)) })
		if err, _ := done.Await(ctx); err != asyncio.ErrNotInTask {
			t.Errorf("in a callback: %v", err)
		}
		ready := asyncio.NewFuture[int](l)
		ready.SetResult(1)
		errs := must(asyncio.ToThread(ctx, func(context.Context) ([]error, error) {
			_, await := ready.Await(ctx)
			_, thread := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
			return []error{asyncio.Sleep(ctx, 0), await, thread}, nil
		}))
		for _, err := range errs {
			if err != asyncio.ErrWrongGoroutine {
				t.Errorf("on another goroutine: %v", err)
			}
		}
	})
}

func TestAwaitingItselfIsAnError(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var task *asyncio.Task[int]
		task = asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return task.Await(ctx) })
		if _, err := task.Await(ctx); !errors.Is(err, asyncio.ErrAwaitSelf) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEagerTaskRunsAtOnceUntilItWaits(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var got []string
		asyncio.Go(ctx, func(ctx context.Context) error {
			got = append(got, asyncio.CurrentTask(ctx).Name())
			asyncio.Sleep(ctx, 0)
			got = append(got, "after")
			return nil
		}, asyncio.WithEagerStart(), asyncio.WithName("eager"))
		got = append(got, asyncio.CurrentTask(ctx).Name())
		whole := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return 3, nil }, asyncio.WithEagerStart())
		if v, err := whole.Result(); v != 3 || err != nil {
			t.Errorf("a task that never waits: %d, %v", v, err)
		}
		asyncio.Sleep(ctx, 0)
		if !slices.Equal(got, []string{"eager", "Task-1", "after"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAllTasksAreListedInOrderOfCreation(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for i := range 5 {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Duration(i%2)) }, asyncio.WithName(fmt.Sprint("t", i)))
		}
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		var names []string
		for _, task := range asyncio.AllTasks(ctx) {
			names = append(names, task.Name())
		}
		if got := strings.Join(names, " "); got != "Task-1 t1 t3" {
			t.Errorf("got %s", got)
		}
	})
}

func TestFutureIsSetOnce(t *testing.T) {
	l := newLoop(t)
	f := asyncio.NewFuture[int](l)
	if _, err := f.Result(); !errors.Is(err, asyncio.ErrInvalidState) {
		t.Errorf("Result of a pending future gave %v", err)
	}
	if err := f.Err(); !errors.Is(err, asyncio.ErrInvalidState) {
		t.Errorf("Err of a pending future gave %v", err)
	}
	if err := f.SetError(nil); !errors.Is(err, asyncio.ErrInvalidState) || f.Done() {
		t.Errorf("SetError(nil) gave %v", err)
	}
	if err := f.SetResult(1); err != nil {
		t.Error(err)
	}
	if err := errors.Join(f.SetResult(2)); !errors.Is(err, asyncio.ErrInvalidState) {
		t.Errorf("the second SetResult gave %v", err)
	}
	if v, err := f.Result(); v != 1 || err != nil || f.Cancel() || f.Cancelled() || f.Loop() != l {
		t.Errorf("got %d, %v", v, err)
	}
	c := asyncio.NewFuture[int](l)
	c.SetError(fmt.Errorf("stop: %w", &asyncio.CancelledError{Cause: errors.New("m")}))
	if !c.Cancelled() {
		t.Error("a cancellation that was set is none")
	}
}

func TestDoneCallbacksRunInOrderAndCanBeTakenBack(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		f := asyncio.NewFuture[int](must(asyncio.RunningLoop(ctx)))
		var got []int
		var removes []func() bool
		for i := range 5 {
			removes = append(removes, f.AddDoneCallback(func() { got = append(got, i) }))
		}
		if !removes[0]() || removes[0]() || !removes[3]() {
			t.Error("a callback could not be taken back, or twice")
		}
		f.SetResult(1)
		if len(got) > 0 {
			t.Error("a callback ran at once")
		}
		if removes[1]() {
			t.Error("a callback was taken back that is on its way")
		}
		f.AddDoneCallback(func() { got = append(got, 9) })
		asyncio.Sleep(ctx, 0)
		if !slices.Equal(got, []int{1, 2, 4, 9}) {
			t.Errorf("got %v", got)
		}
	})
}
