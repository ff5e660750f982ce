package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestACrashRunsNothingMoreAndARestartBeginsAnew(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		var log []string
		over := false
		h := w.Host("h")
		h.Serve(func(ctx context.Context) error {
			log = append(log, "begin")
			defer func() {
				if !over {
					log = append(log, "deferred")
				}
			}()
			for {
				if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
				log = append(log, "tick")
			}
		})
		w.At(250*time.Millisecond, h.Crash)
		w.At(time.Second, func() {
			if h.Up() {
				w.Failf("the host is up")
			}
			h.Restart()
		})
		w.Host("watch").Go(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, 1150*time.Millisecond)
			over = true
			got := strings.Join(log, " ")
			if !strings.HasPrefix(got, "begin") || strings.Count(got, "begin") != 2 || strings.Contains(got, "deferred") || strings.Count(got, "tick") > 3 {
				w.Failf("it was %s", got)
			}
			return err
		})
	})
}

func TestATaskThatCrashesItsOwnHostGoesOnUpToItsNextWait(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		reached, beyond, other := false, false, false
		h.Go(func(ctx context.Context) error {
			asyncio.Go(ctx, func(context.Context) error {
				other = true
				return nil
			})
			h.Crash()
			reached = true
			err := asyncio.Sleep(ctx, 0)
			if w.Now() < time.Hour && err == nil {
				beyond = true
			}
			return err
		})
		w.Host("watch").Go(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Second)
			if !reached || beyond || other {
				w.Failf("reached %v, beyond %v, another task %v", reached, beyond, other)
			}
			return err
		})
	})
}

func TestAPausedHostIsLate(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Go(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, 100*time.Millisecond)
			if now := w.Now(); now < 5*time.Second || now > 5100*time.Millisecond {
				w.Failf("it woke at %v", now)
			}
			return err
		})
		w.At(50*time.Millisecond, func() { h.Pause(4950 * time.Millisecond) })
	})
}

func TestASkewedClockMakesTimersEarlyOrLate(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		ahead, behind := w.Host("ahead"), w.Host("behind")
		sleep := func(least, most time.Duration) func(context.Context) error {
			return func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, 10*time.Second)
				if now := w.Now(); now < least || now > most {
					w.Failf("it woke at %v", now)
				}
				return err
			}
		}
		ahead.Go(sleep(4*time.Second, 4100*time.Millisecond))
		behind.Go(sleep(16*time.Second, 16100*time.Millisecond))
		w.At(time.Second, func() {
			before := ahead.Now()
			ahead.Skew(6 * time.Second)
			behind.Skew(-6 * time.Second)
			if ahead.Now().Sub(before) != 6*time.Second || ahead.Now().Sub(behind.Now()) != 12*time.Second {
				w.Failf("the clocks show %v and %v", ahead.Now(), behind.Now())
			}
		})
	})
}

func TestAnErrorOfAProgramFailsItsWorld(t *testing.T) {
	wrong := errors.New("wrong")
	for name, world := range map[string]func(w *sim.World){
		"Go":    func(w *sim.World) { w.Host("h").Go(func(context.Context) error { return wrong }) },
		"Serve": func(w *sim.World) { w.Host("h").Serve(func(context.Context) error { return wrong }); forever(w) },
		"panic": func(w *sim.World) { w.Host("h").Go(func(context.Context) error { panic(wrong) }) },
		"callback": func(w *sim.World) {
			w.Host("h").Loop().CallSoon(func() { panic(wrong) })
			forever(w)
		},
		"setup": func(w *sim.World) { panic(wrong) },
	} {
		r := sim.Run(world)
		if r.Err == nil || !strings.Contains(r.Err.Error(), "wrong") || r.Seed != 1 {
			t.Errorf("%s: seed %d, %v", name, r.Seed, r.Err)
		}
	}
}

// forever makes a world go on until its time is over.
func forever(w *sim.World) {
	w.Host("forever").Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, 1000*time.Hour) })
}

func TestAWorldEndsWhereNothingCanHappen(t *testing.T) {
	r := sim.Run(func(w *sim.World) {
		w.Host("waiting").Go(func(ctx context.Context) error {
			var e asyncio.Event
			return e.Wait(ctx)
		})
	})
	if !errors.Is(r.Err, sim.ErrDeadlock) || !strings.Contains(r.Err.Error(), "host_test.go") || !strings.Contains(r.Err.Error(), "host waiting") {
		t.Errorf("a deadlock gave %v", r.Err)
	}
	r = sim.Run(func(w *sim.World) {
		w.Host("busy").Go(func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
	}, sim.NoStalls(), sim.ShrinkRuns(0))
	if !errors.Is(r.Err, sim.ErrLivelock) {
		t.Errorf("a livelock gave %v", r.Err)
	}
	r = sim.Run(forever, sim.Time(time.Minute))
	if !errors.Is(r.Err, sim.ErrTimeLimit) || r.Elapsed > time.Minute {
		t.Errorf("a long sleep gave %v", r.Err)
	}
}

func TestChecksOfAWorld(t *testing.T) {
	count := func(w *sim.World) *int {
		n := 0
		w.Host("h").Go(func(ctx context.Context) error {
			for range 10 {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		return &n
	}
	for name, test := range map[string]struct {
		check func(w *sim.World, n *int)
		want  string // "": the world goes well
	}{
		"always":     {func(w *sim.World, n *int) { w.Always("small", func() bool { return *n < 11 }) }, ""},
		"not always": {func(w *sim.World, n *int) { w.Always("small", func() bool { return *n < 5 }) }, "not always: small"},
		"in time":    {func(w *sim.World, n *int) { w.Eventually("large", 6*time.Second, func() bool { return *n == 5 }) }, ""},
		"not in time": {func(w *sim.World, n *int) { w.Eventually("large", 4*time.Second, func() bool { return *n == 5 }) },
			"at 4s: not in time: large"},
		"after the end": {func(w *sim.World, n *int) { w.Eventually("larger", time.Minute, func() bool { return *n == 11 }) },
			"at 1m0s: not in time: larger"},
		"failf": {func(w *sim.World, n *int) { w.At(time.Second, func() { w.Failf("n is %d", *n) }) }, "n is 0"},
	} {
		r := sim.Run(func(w *sim.World) { test.check(w, count(w)) }, sim.NoStalls(), sim.Seeds(3))
		if (r.Err == nil) != (test.want == "") || r.Err != nil && !strings.Contains(r.Err.Error(), test.want) {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

func TestWhatIsRareIsCounted(t *testing.T) {
	r := sim.Run(func(w *sim.World) {
		w.Sometimes("buggified", w.Buggify(0.5))
		w.Sometimes("never", false)
	}, sim.Seeds(100))
	if n := r.Sometimes["buggified"]; n < 30 || n > 70 || r.Sometimes["never"] != 0 || len(r.Sometimes) != 2 {
		t.Errorf("it was %v", r.Sometimes)
	}
	if (*sim.World)(nil).Buggify(1) {
		t.Error("no world makes trouble")
	}
}

func TestAJobOfAnExecutorRunsInTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Go(func(ctx context.Context) error {
			jobs := make([]*asyncio.Task[int], 5)
			for i := range jobs {
				jobs[i] = asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					return asyncio.ToThread(ctx, func(context.Context) (int, error) { return i, nil })
				})
			}
			got, err := asyncio.Gather(ctx, jobs...)
			for i, n := range got {
				if i != n {
					w.Failf("job %d returned %d", i, n)
				}
			}
			return err
		})
	})
}
