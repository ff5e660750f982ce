package asyncio_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func aJobThatWaits(release chan struct{}) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { <-release; return 7, nil }
}

func TestALookShowsJobsAndLookUps(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		release := make(chan struct{})
		job := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.ToThread(ctx, aJobThatWaits(release))
		}, asyncio.WithName("job"))
		turns(ctx, 2)
		if w := waitOf(t, ctx, "job"); w.Kind != "job" || !strings.Contains(w.Detail, "aJobThatWaits") {
			t.Errorf("%+v", w)
		}
		close(release)
		if v, err := job.Await(ctx); v != 7 || err != nil {
			t.Error(v, err)
		}
		kinds := func() (all []string) {
			for _, x := range asyncio.LookAtParts(loopOf(ctx), asyncio.LookOptions{}).Executors {
				all = append(all, x.Kind)
			}
			return all
		}
		if got := strings.Join(kinds(), " "); strings.Contains(got, "lookups") {
			t.Errorf("before a look-up there are %s", got)
		}
		if _, err := loopOf(ctx).Getaddrinfo(ctx, "tcp", "localhost", "80"); err != nil {
			t.Error(err)
		}
		if got := strings.Join(kinds(), " "); !strings.Contains(got, "lookups") {
			t.Errorf("after it there are %s", got)
		}
	})
}

// A future of a loop that is closed has that error, and nothing is begun for it.
func TestWrappedFuturesOfAClosedLoopFail(t *testing.T) {
	var l *asyncio.Loop
	onEachDriver(t, func(t *testing.T, ctx context.Context) { l = loopOf(ctx) })
	called := false
	f := asyncio.WrapFuture(l, func(context.Context) (int, error) { called = true; return 1, nil })
	g := asyncio.WrapChan(l, make(chan int))
	if _, err := f.Result(); !f.Done() || !errors.Is(err, asyncio.ErrLoopClosed) || called {
		t.Error(f, err, called)
	}
	if _, err := g.Result(); !g.Done() || !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Error(g, err)
	}
}
