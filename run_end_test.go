package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A task that cleans up when it is cancelled has time for that: it is not
// cancelled again because others have ended.
func TestTasksThatCleanUpAtTheEndOfTheRunAreCancelledOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		cleaned := 0
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			for i := range n {
				asyncio.Go(ctx, func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Hour)
					if e := asyncio.Sleep(ctx, time.Duration(i)*time.Millisecond); e != nil {
						t.Errorf("of %d, number %d: its cleaning up was ended by %v", n, i, e)
					}
					cleaned++
					return err
				})
			}
			return asyncio.Sleep(ctx, 0)
		}, asyncio.WithVirtualClock())
		if err != nil || cleaned != n {
			t.Errorf("%d of %d have cleaned up, %v", cleaned, n, err)
		}
	}
}

func TestReportOfTasksThatIgnoreTheEndIsBounded(t *testing.T) {
	const n = 25
	var out bytes.Buffer
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for i := range n {
			asyncio.Go(ctx, func(ctx context.Context) error {
				for {
					if err := asyncio.Sleep(ctx, time.Hour); errors.Is(err, asyncio.ErrLoopClosed) {
						return err
					}
				}
			}, asyncio.WithName("stubborn-"+strconv.Itoa(i)))
		}
		return asyncio.Sleep(ctx, 0)
	}, asyncio.WithVirtualClock(), asyncio.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	if err != nil {
		t.Error(err)
	}
	log := out.String()
	if !strings.Contains(log, `msg="asyncio: tasks ignore being cancelled`) || !strings.Contains(log, " count=25 ") {
		t.Errorf("the log has no such message:\n%.300s", log)
	}
	_, names, _ := strings.Cut(log, ` tasks="`)
	names, _, _ = strings.Cut(names, `"`)
	if got := strings.Count(names, "stubborn-"); got != 20 || !strings.HasPrefix(names, "stubborn-0, stubborn-1, ") {
		t.Errorf("it names %d: %s", got, names)
	}
}

// A failingClock is a virtual clock that fails when it has to wait, once it is
// told to.
type failingClock struct {
	driver.Driver
	err error
}

func (c *failingClock) Park(until time.Duration, pending func() bool) error {
	if c.err != nil {
		return c.err
	}
	return c.Driver.Park(until, pending)
}

// When the system lets a loop down, the run ends with its error, wherever the
// loop is; nothing waits for what cannot come.
func TestDriverThatFailsEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	t.Run("while it runs", func(t *testing.T) {
		clock := &failingClock{Driver: asyncio.NewClock()}
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			clock.err = broken
			return asyncio.Sleep(ctx, time.Hour)
		}, asyncio.WithDriver(clock))
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "driver") {
			t.Errorf("Run gave %v", err)
		}
	})
	t.Run("while it ends its tasks", func(t *testing.T) {
		clock := &failingClock{Driver: asyncio.NewClock()}
		rounds := 0
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			asyncio.Go(ctx, func(ctx context.Context) error {
				for {
					err := asyncio.Sleep(ctx, time.Hour)
					clock.err = broken
					if rounds++; errors.Is(err, asyncio.ErrLoopClosed) {
						return err
					}
				}
			})
			return asyncio.Sleep(ctx, 0)
		}, asyncio.WithDriver(clock))
		if !errors.Is(err, broken) || rounds != 2 {
			t.Errorf("Run gave %v; the task was told %d times", err, rounds)
		}
	})
}

// What a loop does not run is not its work.
func TestTimeBetweenTwoRunsIsNotCountedAsBusy(t *testing.T) {
	clock := asyncio.NewClock()
	l := newLoop(t, asyncio.WithClock(clock))
	l.CallSoon(func() { clock.Pass(time.Second); l.CallSoon(l.Stop) })
	l.RunForever()
	clock.Pass(time.Hour)
	l.CallSoon(func() { clock.Pass(time.Second); l.CallSoon(l.Stop) })
	l.RunForever()
	l.CallSoon(l.Stop) // so that it looks at the clock again
	l.RunForever()
	if s := l.Stats(); s.Busy > time.Minute || s.Idle > time.Minute {
		t.Errorf("it was busy for %v, and idle for %v", s.Busy, s.Idle)
	}
}

func TestStatsSinceAreWhatWasCountedBetween(t *testing.T) {
	earlier := asyncio.Stats{
		Ready: 1, Timers: 2, Tasks: 3, TasksMade: 10, Turns: 20, Parks: 30, TimersFired: 40, Lag: 5, MaxLag: 6,
		Busy: 50, Idle: 60, Callbacks: 70, InCallbacks: 80, Slow: 90, Jobs: 7,
	}
	later := asyncio.Stats{
		Ready: 4, Timers: 5, Tasks: 6, TasksMade: 11, Turns: 22, Parks: 33, TimersFired: 44, Lag: 7, MaxLag: 8,
		Busy: 55, Idle: 66, Callbacks: 77, InCallbacks: 88, Slow: 99, Jobs: 8,
	}
	want := asyncio.Stats{
		Ready: 4, Timers: 5, Tasks: 6, TasksMade: 1, Turns: 2, Parks: 3, TimersFired: 4, Lag: 7, MaxLag: 8,
		Busy: 5, Idle: 6, Callbacks: 7, InCallbacks: 8, Slow: 9, Jobs: 8,
	}
	if got := later.Since(earlier); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if r := (asyncio.Stats{Busy: 1, Idle: 3}).BusyRatio(); r != 0.25 {
		t.Errorf("busy for a quarter of the time is %v", r)
	}
	if r := (asyncio.Stats{}).BusyRatio(); r != 0 {
		t.Errorf("of nothing it is %v", r)
	}
}

func TestTasksWithoutANameAreNumbered(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	for i := 1; i <= 30; i++ {
		task := asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 0, nil })
		if want := "Task-" + strconv.Itoa(i); task.Name() != want {
			t.Errorf("number %d is %s", i, task.Name())
		}
	}
	l.CallSoon(l.Stop)
	l.RunForever()
}
