//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/asyncio-go/asyncio"
)

// Behind a job that lasts, those that were cancelled are thrown away when there are as
// many as is worth while; those that were submitted are called whatever their context.
func TestCancelledJobsAreSweptOutOfAQueueThatGrows(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		e, held, release := blocked(l)
		all := []*asyncio.Future[int]{held}
		check := func(want int) {
			t.Helper()
			if n := e.Stats().Queued; n != want {
				t.Errorf("%d wait, want %d", n, want)
			}
		}
		add := func(n int) {
			for range n {
				all = append(all, asyncio.RunInExecutor(l, e, nothing))
			}
		}
		addCancelled := func(n int) {
			for range n {
				asyncio.RunInExecutor(l, e, nothing).Cancel()
			}
		}
		called := false
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.Submit(ended, func(context.Context) { called = true }); err != nil {
			t.Fatal(err)
		}
		const least = asyncio.PoolMinSweep
		addCancelled(least - 1)
		check(least)
		add(1)
		check(2)
		add(least - 2)
		check(least)
		add(1) // none of them is cancelled
		addCancelled(least - 1)
		check(2 * least)
		add(1)
		check(least + 2)
		release()
		for _, f := range all {
			f.Await(ctx)
		}
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
		if !called {
			t.Error("the job that was submitted was not called")
		}
		if n := l.Stats().Jobs; n != 0 {
			t.Errorf("the loop counts %d jobs", n)
		}
	})
}

// Of a job that is done, or was swept away, the executor keeps nothing.
func TestAnExecutorKeepsNothingOfJobsThatAreDone(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		e, held, release := blocked(l)
		var kept []weak.Pointer[asyncio.Future[int]]
		letGoOf := func(what string) {
			t.Helper()
			eventually(t, ctx, what+" is let go of", func() bool {
				runtime.GC()
				return !slices.ContainsFunc(kept, func(f weak.Pointer[asyncio.Future[int]]) bool { return f.Value() != nil })
			})
		}
		for range 3 {
			kept = append(kept, weak.Make(asyncio.RunInExecutor(l, e, nothing)))
		}
		again, running := make(chan struct{}), make(chan struct{})
		next := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { close(running); <-again; return 0, nil })
		last := asyncio.RunInExecutor(l, e, nothing)
		release()
		held.Await(ctx)
		if _, err := asyncio.WrapChan(l, running).Await(ctx); !errors.Is(err, asyncio.ErrChannelClosed) {
			t.Error(err)
		}
		letGoOf("what is done")
		for range asyncio.PoolMinSweep - 1 {
			f := asyncio.RunInExecutor(l, e, nothing)
			f.Cancel()
			kept = append(kept, weak.Make(f))
		}
		tail := asyncio.RunInExecutor(l, e, nothing) // the others are swept out for it
		letGoOf("what was swept out")
		if last.Done() || next.Done() {
			t.Error("they did not wait")
		}
		close(again)
		next.Await(ctx)
		last.Await(ctx)
		tail.Await(ctx)
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
	})
}

func TestAnExecutorLearnsWhatItsJobsLast(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	e.SetJobsLast(0)
	begun, letGo := manyJobs(t, e, 2)
	<-begun
	jobs := e.Stats().Jobs
	if len(jobs) != 1 || !strings.Contains(jobs[0].Function, "asyncio_test.manyJobs") || jobs[0].Cancelled || jobs[0].Running > time.Hour {
		t.Errorf("%+v", jobs)
	}
	letGo()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if d := e.JobsLast(); d <= 0 || d > 10*asyncio.LongJob/8 {
		t.Errorf("they last %v", d)
	}
}

func TestAnExecutorThatWasNotUsedIsShutDownAtOnceAndTwice(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(0)
	if n := e.Stats().MaxWorkers; n != min(32, runtime.NumCPU()+4) {
		t.Errorf("there may be %d workers", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(e.Shutdown(ended), e.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

// A graceExecutor notes how long its shutdown may take.
type graceExecutor struct {
	asyncio.Executor
	left  time.Duration
	calls int
}

func (e *graceExecutor) Shutdown(ctx context.Context) error {
	if at, ok := ctx.Deadline(); ok && e.calls == 0 {
		e.left = time.Until(at)
	}
	e.calls++
	return nil
}

func TestRunWaitsForJobsForAsLongAsItsGrace(t *testing.T) {
	for _, c := range []struct {
		opts        []asyncio.Option
		least, most time.Duration
	}{
		{nil, time.Millisecond, 5 * time.Second},
		{[]asyncio.Option{asyncio.WithExecutorGrace(time.Hour)}, 50 * time.Minute, time.Hour},
	} {
		e := &graceExecutor{}
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			loopOf(ctx).SetDefaultExecutor(e)
			return nil
		}, c.opts...)
		if err != nil || e.left < c.least || e.left > c.most {
			t.Errorf("%v, and there were %v left", err, e.left)
		}
	}
}

// A task that cleans up while its loop is closed has no jobs any more.
func TestAClosingLoopTakesNoJobs(t *testing.T) {
	l := newLoop(t)
	var errs []error
	asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
		err := asyncio.Sleep(ctx, time.Hour)
		f := asyncio.RunInExecutor(l, nil, nothing)
		errs = append(errs, f.Err(), l.ShutdownDefaultExecutor(ctx))
		return 0, err
	})
	turn := asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, 0) })
	if err := l.RunUntilComplete(turn); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(errs) != 2 {
		t.Fatalf("the task has not cleaned up: %v", errs)
	}
	for _, err := range errs {
		if !errors.Is(err, asyncio.ErrLoopClosed) {
			t.Errorf("%v", err)
		}
	}
}
