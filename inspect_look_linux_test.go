package asyncio_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio"
)

// threadTime returns how much time of a processor this thread has taken.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// What the loop computes at a time for a look is measured by its thread's own clock, which
// stands still while others have the processor.
func TestALookTakesLessThanAMillisecondOfTheLoopsThreadAtATime(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for range 5000 {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		asyncio.Sleep(ctx, 0)
		var most []time.Duration
		over := asyncio.NewEvent()
		loopOf(ctx).CallSoon(func() {
			for range 15 {
				var worst time.Duration
				asyncio.PiecesOfALook(loopOf(ctx), asyncio.LookOptions{Stacks: true}, func(fill func()) {
					thread, began := unix.Gettid(), threadTime(t)
					fill()
					if took := threadTime(t) - began; unix.Gettid() == thread {
						worst = max(worst, took)
					}
				})
				most = append(most, worst)
			}
			over.Set()
		})
		must(t, over.Wait(ctx))
		slices.Sort(most)
		// The collector may have work for the thread, too, and other goroutines.
		if typical := most[len(most)/3]; typical >= time.Millisecond {
			t.Errorf("it took %v at a time; %v", typical, most)
		}
		t.Log(most)
	})
}
