package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestStatsCount(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.GetRunningLoop(ctx))
		before := l.Stats()
		l.CallLater(time.Second, func() {})
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Minute) })
		asyncio.Sleep(ctx, 0)
		l.CallSoon(func() {})
		s := l.Stats()
		if s.Ready != 1 || s.Timers != 2 || s.Tasks != 2 || s.TasksMade-before.TasksMade != 1 {
			t.Errorf("now: %+v", s)
		}
		asyncio.Sleep(ctx, time.Hour)
		s = l.Stats().Since(before)
		if s.TimersFired != 3 || s.Parks != 3 || s.Turns < 4 || s.Timers != 0 || s.Tasks != 1 || s.Lag != 0 {
			t.Errorf("then: %+v", s)
		}
	})
}

func TestStatsShowLagAndHowBusyTheLoopIs(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.GetRunningLoop(ctx))
		hold := func(d time.Duration) {
			for began := time.Now(); time.Since(began) < d; {
			}
		}
		before := l.Stats()
		l.CallLater(time.Millisecond, func() {
			l.CallLater(time.Millisecond, func() {}) // which is held up
			hold(20 * time.Millisecond)
		})
		asyncio.Sleep(ctx, 60*time.Millisecond)
		asyncio.Sleep(ctx, 0)
		s := l.Stats().Since(before)
		if s.MaxLag < 10*time.Millisecond || s.Busy < 15*time.Millisecond || s.Idle <= 0 {
			t.Errorf("%+v", s)
		}
		if r := s.BusyRatio(); r <= 0 || r >= 1 {
			t.Errorf("the busy ratio is %v", r)
		}
	})
	if r := (asyncio.Stats{}).BusyRatio(); r != 0 {
		t.Errorf("a loop that has done nothing is busy: %v", r)
	}
}

func TestJobsMakeProgressBesideABusyLoopOnOneProcessor(t *testing.T) {
	old := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.GetRunningLoop(ctx))
		busy := true
		var again func()
		again = func() {
			if busy {
				l.CallSoon(again)
			}
		}
		again()
		began := time.Now()
		for range 100 {
			if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil }); err != nil {
				t.Fatal(err)
			}
		}
		// The runtime alone would let a job run every ten milliseconds.
		t.Logf("100 jobs beside a busy loop took %v", time.Since(began))
		busy = false
	})
}
