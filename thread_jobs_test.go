package asyncio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestContextOfASubmittedJobEndsWithTheJob(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	got := make(chan context.Context, 1)
	if err := e.Submit(t.Context(), func(ctx context.Context) { got <- ctx }); err != nil {
		t.Fatal(err)
	}
	<-(<-got).Done()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A shutdown that does not wait tells the jobs that were submitted so: those
// under way, and those that have not begun, which run with a context that has
// ended.
func TestSubmittedJobsAreToldThatTheExecutorIsAbandoned(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	causes := make(chan error, 2)
	running := make(chan struct{})
	err := errors.Join(
		e.Submit(t.Context(), func(ctx context.Context) {
			close(running)
			<-ctx.Done()
			causes <- context.Cause(ctx)
		}),
		e.Submit(t.Context(), func(ctx context.Context) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
		}))
	if err != nil {
		t.Fatal(err)
	}
	<-running
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var left *asyncio.JobsLeftError
	if err := e.Shutdown(ended); !errors.As(err, &left) || len(left.Jobs) != 1 {
		t.Errorf("Shutdown gave %v", err)
	}
	for range 2 {
		if err := <-causes; !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("a job was told %v", err)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil { // it waits for both
		t.Error(err)
	}
	if s := e.Stats(); s.Running != 0 || s.Queued != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

func TestQueueOfOneTakesOneJobAndRefusesTheNext(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		e, job, release := blocked(l, asyncio.WithMaxQueue(1))
		waits := asyncio.RunInExecutor(l, e, nothing)
		if err := asyncio.RunInExecutor(l, e, nothing).Err(); !errors.Is(err, asyncio.ErrExecutorFull) {
			t.Errorf("one too many gave %v", err)
		}
		waits.Cancel()
		waits = asyncio.RunInExecutor(l, e, nothing) // in its place
		release()
		for _, f := range []*asyncio.Future[int]{job, waits} {
			if _, err := f.Await(ctx); err != nil {
				t.Error(err)
			}
		}
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
	})
}
