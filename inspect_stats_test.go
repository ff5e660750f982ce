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
		l := must(asyncio.RunningLoop(ctx))
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
	clock := asyncio.NewClock()
	runOn(t, asyncio.WithClock(clock), func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		asyncio.Sleep(ctx, time.Second) // a loop that has just parked for long measures the next park
		before := l.Stats()
		l.CallLater(time.Millisecond, func() {
			l.CallLater(time.Millisecond, func() {}) // which is held up
			clock.Pass(20 * time.Millisecond)
		})
		asyncio.Sleep(ctx, 60*time.Millisecond)
		s := l.Stats().Since(before)
		if s.MaxLag != 19*time.Millisecond || s.Lag != 0 || s.Busy != 20*time.Millisecond || s.Idle != 40*time.Millisecond {
			t.Errorf("%+v", s)
		}
		if r := s.BusyRatio(); r != 1./3 {
			t.Errorf("the busy ratio is %v", r)
		}
		before = l.Stats()
		for range 10 { // without a park between them
			clock.Pass(time.Millisecond)
			asyncio.Sleep(ctx, 0)
		}
		asyncio.Sleep(ctx, time.Millisecond)
		if s := l.Stats().Since(before); s.Parks != 1 || s.Busy != 10*time.Millisecond || s.Idle != time.Millisecond {
			t.Errorf("%+v", s)
		}
	})
	if r := (asyncio.Stats{}).BusyRatio(); r != 0 {
		t.Errorf("a loop that has done nothing is busy: %v", r)
	}
}

func TestStatsCountOneOfEightShortParksEightTimes(t *testing.T) {
	clock := asyncio.NewClock()
	runOn(t, asyncio.WithClock(clock), func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		asyncio.Sleep(ctx, 50*time.Microsecond)
		before := l.Stats()
		for range 800 {
			clock.Pass(10 * time.Microsecond)
			asyncio.Sleep(ctx, 50*time.Microsecond)
		}
		s := l.Stats().Since(before)
		if s.Parks != 800 || s.Busy != 8*time.Millisecond || s.Idle != 40*time.Millisecond {
			t.Errorf("%+v", s)
		}
	})
}

func TestJobsMakeProgressBesideABusyLoopOnOneProcessor(t *testing.T) {
	old := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
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
