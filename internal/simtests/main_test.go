package simtests_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world of the kernel takes less than a millisecond, one of the network some.
const (
	kernelSeeds  = 150
	networkSeeds = 100
)

// upTo sleeps for 0 to most-1 whole milliseconds, so that things meet in one turn.
func upTo(ctx context.Context, w *sim.World, most int) error {
	return asyncio.Sleep(ctx, time.Duration(w.Pick(most))*time.Millisecond)
}

// cancelSome cancels each of the tasks with probability p, at some moment within most
// milliseconds, and returns how many it has cancelled.
func cancelSome(ctx context.Context, w *sim.World, p float64, most int, tasks ...*asyncio.Task[struct{}]) {
	l := tasks[0].Loop()
	for _, t := range tasks {
		if w.Chance(p) {
			l.CallLater(time.Duration(w.Pick(most))*time.Millisecond, func() { t.Cancel() })
		}
	}
}

// ended waits until all tasks have ended and returns their errors, but for
// cancellations.
func ended(ctx context.Context, tasks ...*asyncio.Task[struct{}]) error {
	if _, _, err := asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, tasks...); err != nil {
		return err
	}
	var errs []error
	for _, t := range tasks {
		if err := t.Err(); err != nil && !asyncio.IsCancelled(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// alone returns an error when the running task is not the only one of its loop.
func alone(ctx context.Context) error {
	for _, t := range asyncio.AllTasks(ctx) {
		if t != asyncio.CurrentTask(ctx) {
			return fmt.Errorf("%s is left", t.Name())
		}
	}
	return nil
}

// late reports whether an error is that of a time limit.
func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
