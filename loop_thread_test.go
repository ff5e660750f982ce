package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// lockedThread is a goroutine that is locked to its thread and does what it is
// given.
type lockedThread chan func()

func newLockedThread(t *testing.T) lockedThread {
	calls := make(lockedThread)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		for call := range calls {
			call()
		}
	}()
	t.Cleanup(func() { close(calls) })
	return calls
}

func (l lockedThread) do(fn func() error) error {
	done := make(chan error)
	l <- func() { done <- fn() }
	return <-done
}

// runSome runs tasks that wait, and returns when all have ended.
func runSome(r *asyncio.Runner) error {
	return r.Run(context.Background(), func(ctx context.Context) error {
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 10 {
				g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
			}
			return nil
		})
	})
}

func leaveOne(r *asyncio.Runner) error {
	return r.Run(context.Background(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		return asyncio.Sleep(ctx, time.Second)
	})
}

func wantWrongThread(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, asyncio.ErrWrongGoroutine) || !strings.Contains(err.Error(), "locked to its thread") {
		t.Errorf("%s gives %v", what, err)
	}
}

// So it is with a runner that is used in init, where Go locks the main goroutine,
// and then in main.
func TestARunnerWithoutTasksLeavesAGoroutineThatIsLocked(t *testing.T) {
	for range 3 {
		r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
		if err := newLockedThread(t).do(func() error { return runSome(r) }); err != nil {
			t.Fatal(err)
		}
		if err := newLockedThread(t).do(func() error { return runSome(r) }); err != nil {
			t.Fatal(err)
		}
		if err := runSome(r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATaskFromALockedGoroutineCannotGoOnElsewhere(t *testing.T) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
	home := newLockedThread(t)
	if err := home.do(func() error { return leaveOne(r) }); err != nil {
		t.Fatal(err)
	}
	wantWrongThread(t, "a run elsewhere", runSome(r))
	wantWrongThread(t, "a run on another locked goroutine", newLockedThread(t).do(func() error { return runSome(r) }))
	wantWrongThread(t, "Close elsewhere", r.Loop().Close())
	if err := home.do(func() error { return errors.Join(runSome(r), r.Close()) }); err != nil {
		t.Errorf("at home: %v", err)
	}
}

func TestALoopThatHasRunCannotGoOnOnALockedGoroutine(t *testing.T) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
	if err := leaveOne(r); err != nil {
		t.Fatal(err)
	}
	wantWrongThread(t, "a run there", newLockedThread(t).do(func() error { return runSome(r) }))
	wantWrongThread(t, "Close there", newLockedThread(t).do(func() error { return r.Loop().Close() }))
	if err := errors.Join(runSome(r), r.Close()); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestAnEagerTaskInALockedCallbackLeavesNoCoroutine(t *testing.T) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
	ran := 0
	r.Loop().CallSoon(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range 3 {
			asyncio.CreateTaskOn(r.Loop(), func(context.Context) (int, error) { ran++; return 0, nil }, asyncio.WithEagerStart())
		}
	})
	r.Loop().CallSoon(r.Loop().Stop)
	if err := r.Loop().RunForever(); err != nil || ran != 3 {
		t.Fatalf("%d eager tasks ran, and the loop gave %v", ran, err)
	}
	if err := errors.Join(runSome(r), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestDebugModeFindsALockedTaskThatWaits(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		runtime.LockOSThread()
		err := asyncio.Sleep(ctx, time.Second)
		runtime.UnlockOSThread()
		wantWrongThread(t, "Sleep", err)
		return asyncio.Sleep(ctx, time.Second)
	}, asyncio.WithVirtualClock(), asyncio.WithDebug(true))
	if err != nil {
		t.Error(err)
	}
}
