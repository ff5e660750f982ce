package asyncio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestRunPassesDebugOn(t *testing.T) {
	for _, on := range []bool{false, true} {
		must(t, asyncio.Run(t.Context(), func(ctx context.Context) error {
			if loopOf(ctx).Debug() != on {
				t.Errorf("Debug is not %v", on)
			}
			return nil
		}, asyncio.WithDebug(on)))
	}
}

func TestRunReportsTheErrorsOfTasksThatItEnds(t *testing.T) {
	failed := errors.New("failed while it was cancelled")
	var reported []asyncio.ExceptionContext
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			return failed
		}, asyncio.WithName("the one"))
		return asyncio.Sleep(ctx, 0)
	}, asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c) }))
	if err != nil || len(reported) != 1 || reported[0].Err != failed || reported[0].Task.Name() != "the one" {
		t.Errorf("Run gave %v, reported was %v", err, reported)
	}
}

func TestARunnerThatIsClosedRunsNothing(t *testing.T) {
	r, err := asyncio.NewRunner()
	must(t, err)
	must(t, r.Run(t.Context(), func(context.Context) error { return nil }))
	l := r.Loop()
	must(t, r.Close())
	must(t, r.Close())
	if !l.IsClosed() {
		t.Error("its loop is open")
	}
	err = r.Run(t.Context(), func(context.Context) error { t.Error("main was called"); return nil })
	if !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("Run gives %v", err)
	}
}

func TestARunnerInsideACoroutineIsAnError(t *testing.T) {
	r, err := asyncio.NewRunner()
	must(t, err)
	defer r.Close()
	must(t, r.Run(t.Context(), func(ctx context.Context) error {
		if err := r.Run(ctx, func(context.Context) error { t.Error("main was called"); return nil }); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("Run gives %v", err)
		}
		if err := r.Close(); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("Close gives %v", err)
		}
		return nil
	}))
}

func TestTasksOfARunnerGoOnInItsNextRun(t *testing.T) {
	r, err := asyncio.NewRunner(asyncio.WithVirtualClock())
	must(t, err)
	defer r.Close()
	var task *asyncio.Task[int]
	must(t, r.Run(t.Context(), func(ctx context.Context) error {
		task = asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 7, asyncio.Sleep(ctx, time.Hour) })
		return nil
	}))
	if v, err := asyncio.RunOn(t.Context(), r, task.Await); v != 7 || err != nil {
		t.Errorf("it gives %d, %v", v, err)
	}
}

func TestARunWithoutAContextSaysSoAndLeavesTheGoroutineFree(t *testing.T) {
	r := must(asyncio.NewRunner())
	defer r.Close()
	var none context.Context
	if err := r.Run(none, func(context.Context) error { return nil }); err == nil || !strings.Contains(err.Error(), "context is nil") {
		t.Error(err)
	}
	if err := r.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}
