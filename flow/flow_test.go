package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
	"github.com/asyncio-go/asyncio/flow"
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
		if !free.Allow(ctx) || !free.Allow(ctx) || free.Wait(ctx) != nil || flow.Now(ctx) < time.Hour || flow.Now(ctx) > time.Hour+3*time.Second {
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
}

func TestRetryCallsAgainAsItIsTold(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		fails := func(n int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				events.Add("called")
				if n--; n >= 0 {
					return errBoom
				}
				return nil
			}
		}
		steady := flow.Retries{First: time.Second, Max: 3 * time.Second, Steady: true}
		if err := flow.Retry(ctx, steady, fails(4)); err != nil {
			t.Error(err)
		}
		events.Want(t, "0s called", "1s called", "3s called", "6s called", "9s called")
		var failed *flow.RetryError
		if err := flow.Retry(ctx, steady, fails(5)); !errors.As(err, &failed) || failed.Calls != 5 || !errors.Is(err, errBoom) || err.Error() != "boom (after 5 calls)" {
			t.Error(err)
		}
		before := 0
		steady.Times, steady.Before = -1, func(err error, pause time.Duration) { before++ }
		if err := flow.Retry(ctx, steady, fails(50)); err != nil || before != 50 {
			t.Errorf("%v, told %d times", err, before)
		}
		steady.If = func(err error) bool { return false }
		if err := flow.Retry(ctx, steady, fails(1)); err != errBoom {
			t.Error(err)
		}
		began := flow.Now(ctx)
		if err := flow.Retry(ctx, flow.Retries{}, fails(1)); err != nil || flow.Now(ctx)-began < 50*time.Millisecond || flow.Now(ctx)-began > 100*time.Millisecond {
			t.Errorf("%v after %v", err, flow.Now(ctx)-began)
		}
		calls := 0
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return flow.Retry(ctx, steady, func(ctx context.Context) error { calls++; return asyncio.Sleep(ctx, time.Hour) })
		})
		asyncio.Sleep(ctx, time.Second)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

// A context that ends in a pause: the error tells also why there was one.
func TestRetryTellsOfTheLastFailureWhenItsTimeIsOver(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		limited, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		var failed *flow.RetryError
		err := flow.Retry(limited, flow.Retries{First: time.Hour, Max: time.Hour}, func(context.Context) error { return errBoom })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBoom) || !errors.As(err, &failed) || failed.Calls != 1 ||
			err.Error() != "context deadline exceeded before another call: boom (after 1 call)" {
			t.Error(err)
		}
		calls := 0
		err = flow.Retry(limited, flow.Retries{}, func(context.Context) error { calls++; return errBoom })
		if err != errBoom || calls != 1 {
			t.Errorf("with a context that has ended: %v after %d calls", err, calls)
		}
		var late *asyncio.TimeoutError
		err = asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return flow.Retry(ctx, flow.Retries{First: time.Hour, Max: time.Hour}, func(context.Context) error { return errBoom })
		})
		if !errors.As(err, &late) {
			t.Errorf("in a Timeout: %v", err)
		}
	}, asynctest.WithRealClock())
}

// A task that was cancelled may call again what it does to clean up.
func TestRetryCallsAgainInATaskThatCleansUp(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		twice := func(n int) func(context.Context) error {
			return func(context.Context) error {
				if n--; n >= 0 {
					return errBoom
				}
				return nil
			}
		}
		steady := flow.Retries{First: time.Second, Steady: true}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Sleep(ctx, time.Hour)
			err := flow.Retry(ctx, steady, twice(2))
			if err != nil || flow.Now(ctx) != 4*time.Second {
				t.Errorf("%v at %v", err, flow.Now(ctx))
			}
			return flow.Retry(ctx, steady, func(ctx context.Context) error {
				asyncio.CurrentTask(ctx).Cancel() // a second time
				return errBoom
			})
		})
		asyncio.Sleep(ctx, time.Second)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("cancelled twice: %v", err)
		}
	})
}

func TestRetryWithoutPausesAndWithoutALoop(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		for name, r := range map[string]flow.Retries{"First": {First: -time.Second}, "Max": {Max: -1}, "Factor": {First: 1, Factor: -5}} {
			began := flow.Now(ctx)
			var failed *flow.RetryError
			if err := flow.Retry(ctx, r, func(context.Context) error { return errBoom }); !errors.As(err, &failed) || failed.Calls != 5 || flow.Now(ctx)-began > time.Microsecond {
				t.Errorf("%s is negative: %v after %v", name, err, flow.Now(ctx)-began)
			}
		}
	})
	if err := flow.Retry(t.Context(), flow.Retries{}, func(context.Context) error { t.Error("it was called"); return errBoom }); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error(err)
	}
}

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
		if !d.Stop() {
			t.Error("there was nothing to stop")
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
