package flow_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
	"github.com/asyncio-go/asyncio/flow"
	"github.com/asyncio-go/asyncio/sim"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

func mustPanic(t *testing.T, what string, fn func()) {
	t.Helper()
	defer func() {
		if v, ok := recover().(string); !ok || !strings.Contains(v, what) {
			t.Errorf("it panicked with %v, want %q", v, what)
		}
	}()
	fn()
}

func TestTicksDoNotDriftAndDoNotPileUp(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		n := 0
		for tick, err := range flow.Every(ctx, time.Second) {
			if err != nil {
				t.Fatal(err)
			}
			events.Add("tick of %v, %d missed", tick.At, tick.Missed)
			if n++; n == 5 {
				break
			}
			asyncio.Sleep(ctx, []time.Duration{0, 300, 1100, 3500, 0}[n]*time.Millisecond)
		}
		events.Want(t, "1s tick of 1s, 0 missed", "2s tick of 2s, 0 missed", "3.1s tick of 3s, 0 missed", "6.6s tick of 6s, 2 missed", "7s tick of 7s, 0 missed")
		mustPanic(t, "not positive", func() { flow.Every(ctx, 0) })
	})
}

// A machine that stands still for a while, as one that is asleep, owes one tick after it.

func TestTicksDoNotPileUpOverAPause(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		w.At(2500*time.Millisecond, func() { h.Pause(5 * time.Second) })
		h.Go(func(ctx context.Context) error {
			var ticks []flow.Tick
			for tick, err := range flow.Every(ctx, time.Second) {
				if err != nil {
					return err
				}
				tick.At = tick.At.Round(100 * time.Millisecond) // the machine may have started late
				if ticks = append(ticks, tick); tick.At >= 8*time.Second {
					break
				}
			}
			if want := []flow.Tick{{At: time.Second}, {At: 2 * time.Second}, {At: 7 * time.Second, Missed: 4}, {At: 8 * time.Second}}; !slices.Equal(ticks, want) {
				return fmt.Errorf("%v, want %v", ticks, want)
			}
			return nil
		})
	}, sim.Seeds(20))
}

func TestTicksEndWithTheirTask(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		ticks := 0
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			for _, err := range flow.Every(ctx, time.Second) {
				if err != nil {
					return err
				}
				ticks++
			}
			return nil
		})
		asyncio.Sleep(ctx, 2500*time.Millisecond)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || ticks != 2 {
			t.Errorf("%v after %d ticks", err, ticks)
		}
	})
}

func TestTicksWithoutALoopAreAnError(t *testing.T) {
	ticks := 0
	for _, err := range flow.Every(t.Context(), time.Second) {
		if ticks++; !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Error(err)
		}
	}
	if ticks != 1 {
		t.Errorf("%d ticks", ticks)
	}
}

func TestAfterAndNowNeedNoLoopInTheHand(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		called := time.Duration(0)
		flow.After(ctx, time.Second, func() { called = flow.Now(ctx) })
		asyncio.Sleep(ctx, 2*time.Second)
		if called != time.Second {
			t.Error(called)
		}
	})
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Error(err)
		}
	}()
	flow.Now(t.Context())
}

func TestABroadcastReachesAllAndTheSlowLoseTheOldest(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		b := flow.NewBroadcast[int](3)
		b.Send(0) // to nobody
		for v, err := range func() iter.Seq2[int, error] { r := b.Subscribe(); b.Send(-1); return r.All(ctx) }() {
			if v != -1 || err != nil {
				t.Error(v, err)
			}
			break
		}
		fast, slow := b.Subscribe(), b.Subscribe()
		var got []int
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			for v, err := range fast.All(ctx) {
				if err != nil {
					return err
				}
				got = append(got, v)
			}
			return nil
		})
		for i := range 5 {
			b.Send(i + 1)
			asyncio.Sleep(ctx, 0)
		}
		if v, missed, err := slow.Receive(ctx); v != 3 || missed != 2 || err != nil || slow.Len() != 2 {
			t.Errorf("%d, %d missed, %v, %d left", v, missed, err, slow.Len())
		}
		if v, missed, err := slow.Receive(ctx); v != 4 || missed != 0 || err != nil {
			t.Errorf("%d, %d missed, %v", v, missed, err)
		}
		b.Close()
		b.Close()
		if err := b.Send(6); !errors.Is(err, flow.ErrClosed) {
			t.Error(err)
		}
		if v, _, err := slow.Receive(ctx); v != 5 || err != nil {
			t.Errorf("after the end: %d, %v", v, err)
		}
		if _, _, err := slow.Receive(ctx); !errors.Is(err, flow.ErrClosed) {
			t.Error(err)
		}
		if _, err := reader.Await(ctx); err != nil || !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
			t.Errorf("%v, %v", got, err)
		}
		mustPanic(t, "at least", func() { flow.NewBroadcast[int](0) })
	})
}

// Whatever a receiver is late for: what it gets and what it is told to have missed is all

// that was sent since it subscribed.

func TestWhatABroadcastSentIsReceivedOrMissed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		asynctest.Run(t, func(ctx context.Context) {
			b := flow.NewBroadcast[int](rapid.IntRange(1, 5).Draw(rt, "kept"))
			sent := 0
			send := func() { b.Send(sent); sent++ }
			for range rapid.IntRange(0, 10).Draw(rt, "before") {
				send()
			}
			r := b.Subscribe()
			next := sent
			for range rapid.IntRange(0, 20).Draw(rt, "steps") {
				for range rapid.IntRange(0, 8).Draw(rt, "sends") {
					send()
				}
				for range rapid.IntRange(0, 8).Draw(rt, "receives") {
					if r.Len() == 0 {
						break
					}
					v, missed, err := r.Receive(ctx)
					if next += missed; v != next || err != nil {
						rt.Fatalf("%d, %d missed, %v, want %d", v, missed, err, next)
					}
					next++
				}
			}
		})
	})
}

func TestAWatchTellsOfTheLastChange(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		w := flow.NewWatch("a")
		r := w.Watcher()
		if v, err := r.Next(ctx); v != "a" || err != nil || r.Changed() {
			t.Errorf("%q, %v", v, err)
		}
		next := asyncio.CreateTask(ctx, r.Next)
		asyncio.Sleep(ctx, 0)
		w.Set("b")
		w.Set("c")
		if v, err := next.Await(ctx); v != "c" || err != nil || w.Get() != "c" {
			t.Errorf("%q, %v", v, err)
		}
		w.Set("c")
		if !r.Changed() {
			t.Error("an equal value is no change")
		}
		if v, err := r.Next(ctx); v != "c" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		next = asyncio.CreateTask(ctx, r.Next)
		asyncio.Sleep(ctx, 0)
		next.Cancel()
		if _, err := next.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
	})
}

func TestARateLimiterKeepsItsRateAndItsOrder(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		l := flow.NewRateLimiter(time.Second, 3)
		events := asynctest.NewEvents(ctx)
		var tasks []*asyncio.Task[struct{}]
		for i := range 6 {
			tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
				if err := l.Wait(ctx); err != nil {
					return err
				}
				events.Add("%d", i)
				return nil
			}))
		}
		asyncio.Sleep(ctx, 500*time.Millisecond)
		tasks[3].Cancel() // which waits for its turn: it uses nothing
		if l.Allow(ctx) {
			t.Error("one overtook those that wait")
		}
		asyncio.GatherSettled(ctx, tasks...)
		events.Want(t, "0s 0", "0s 1", "0s 2", "1s 4", "2s 5")
		asyncio.Sleep(ctx, time.Hour)
		for i := range 4 {
			if l.Allow(ctx) != (i < 3) {
				t.Errorf("after a rest, the burst is not 3: %d", i)
			}
		}
		mustPanic(t, "positive", func() { flow.NewRateLimiter(0, 1) })
		var free flow.RateLimiter
		if slices.Contains([]bool{free.Allow(ctx), free.Allow(ctx)}, false) || free.Wait(ctx) != nil || flow.Now(ctx) < time.Hour || flow.Now(ctx) > time.Hour+3*time.Second {
			t.Errorf("a limiter without a rate holds up, until %v", flow.Now(ctx))
		}
	})
}

// The first of those that wait is cancelled when it could go on; the next one has been woken

// for that and has not yet run.

func TestARateLimiterLetsNobodyOvertakeThoseThatWait(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		l := flow.NewRateLimiter(time.Second, 1)
		l.Allow(ctx)
		loop := asyncio.CurrentTask(ctx).Loop()
		var first, second *asyncio.Task[struct{}]
		overtook := true
		loop.CallLater(time.Second, func() {
			first.Cancel()
			loop.CallSoon(func() { overtook = l.Allow(ctx) })
		})
		first = asyncio.Go(ctx, l.Wait)
		second = asyncio.Go(ctx, l.Wait)
		asyncio.GatherSettled(ctx, first, second)
		if at := flow.Now(ctx); overtook || !first.Cancelled() || second.Err() != nil || at != time.Second {
			t.Errorf("overtook: %v, %v, %v, at %v", overtook, first.Err(), second.Err(), at)
		}
	})
}

// A limiter of a package goes on with the loop that comes after its first: its clock is

// another.

func TestARateLimiterIsOfOneLoopAtATime(t *testing.T) {
	l := flow.NewRateLimiter(time.Second, 1)
	for range 2 {
		asynctest.Run(t, func(ctx context.Context) {
			for i := range 3 {
				if err := l.Wait(ctx); err != nil || flow.Now(ctx) != time.Duration(i)*time.Second {
					t.Errorf("%v at %v, want %d s", err, flow.Now(ctx), i)
				}
			}
		})
	}
	other, err := asyncio.NewLoop(asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	run := func(fn func(ctx context.Context) error) {
		t.Helper()
		if err := other.RunUntilComplete(asyncio.CreateTaskOn(other, func(ctx context.Context) (int, error) { return 0, fn(ctx) })); err != nil {
			t.Error(err)
		}
	}
	run(l.Wait)
	asynctest.Run(t, func(ctx context.Context) {
		if err := l.Wait(ctx); !errors.Is(err, asyncio.ErrWrongLoop) {
			t.Errorf("on another loop: %v", err)
		}
	})
	run(l.Wait)
	if err := l.Wait(t.Context()); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error(err)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("Allow panicked with %v", err)
		}
	}()
	l.Allow(t.Context())
}

// A context that ends in a pause: the error tells also why there was one.

// A task that was cancelled may call again what it does to clean up.

func TestADebounceCallsOnceForABurst(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		d := flow.NewDebounce(time.Second, func() { events.Add("called") })
		for range 5 {
			d.Call(ctx)
			asyncio.Sleep(ctx, 900*time.Millisecond)
		}
		asyncio.Sleep(ctx, time.Minute)
		if d.Stop() {
			t.Error("there was something to stop")
		}
		d.Call(ctx)
		if !d.Stop() || d.Stop() {
			t.Error("there was nothing to stop, or something twice")
		}
		asyncio.Sleep(ctx, time.Minute)
		events.Want(t, "4.6s called")
		mustPanic(t, "no function", func() { flow.NewDebounce(time.Second, nil) })
	})
}

func TestOneCallIsMadeForAllWhoWantTheSame(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		var s flow.Singleflight[string, int]
		calls := 0
		fetch := func(ctx context.Context) (int, error) {
			calls++
			n := calls
			return n, asyncio.Sleep(ctx, time.Second)
		}
		do := func(ctx context.Context) (int, error) {
			v, shared, err := s.Do(ctx, "key", fetch)
			if err == nil && !shared {
				t.Error("it was not shared")
			}
			return v, err
		}
		a, b, c := asyncio.CreateTask(ctx, do), asyncio.CreateTask(ctx, do), asyncio.CreateTask(ctx, do)
		other := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, shared, err := s.Do(ctx, "another key", fetch)
			if shared {
				t.Error("another key is shared")
			}
			return v, err
		})
		asyncio.Sleep(ctx, 0)
		a.Cancel() // who began it; the others go on
		if _, err := a.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		all, err := asyncio.Gather(ctx, b, c, other)
		if err != nil || !slices.Equal(all, []int{1, 1, 2}) || calls != 2 {
			t.Errorf("%v, %v, %d calls", all, err, calls)
		}
		last := asyncio.CreateTask(ctx, do)
		asyncio.Sleep(ctx, 0)
		last.Cancel() // the only one: the call ends, and the next is a new one
		again := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, _, err := s.Do(ctx, "key", fetch)
			return v, err
		})
		if v, err := again.Await(ctx); v != 4 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if _, _, err := s.Do(t.Context(), "key", fetch); !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Error(err)
		}
		asyncio.GatherSettled(ctx, last)
	})
}

// A call ends with the last of those who wanted it, and tells each whether there were others.
func TestACallEndsWithTheLastWhoWantsIt(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		var s flow.Singleflight[string, int]
		events := asynctest.NewEvents(ctx)
		start := func() *asyncio.Task[int] {
			return asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				v, shared, err := s.Do(ctx, "key", func(ctx context.Context) (int, error) {
					err := asyncio.Sleep(ctx, time.Second)
					events.Add("called: %v", err)
					return 1, err
				})
				events.Add("shared: %v, %v", shared, err)
				return v, err
			})
		}
		asyncio.GatherSettled(ctx, start(), start())
		one, two := start(), start()
		asyncio.Sleep(ctx, 0)
		one.Cancel()
		two.Cancel()
		asyncio.GatherSettled(ctx, one, two)
		asyncio.Sleep(ctx, time.Minute)
		events.Want(t, "1s called: <nil>", "1s shared: true, <nil>", "1s shared: true, <nil>",
			"1s shared: true, asyncio: cancelled", "1s shared: true, asyncio: cancelled", "1s called: asyncio: cancelled")
	})
}
