package asyncio_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio"
)

// newLoop makes a loop that is closed when the test ends.
func newLoop(t *testing.T, opts ...asyncio.Option) *asyncio.Loop {
	t.Helper()
	l := must(asyncio.NewLoop(opts...))
	t.Cleanup(func() { l.Close() })
	return l
}

func TestCallbacksRunInTheOrderInWhichTheyWereGiven(t *testing.T) {
	l := newLoop(t)
	var got []int
	for i := range 100 {
		l.CallSoon(func() { got = append(got, i) })
	}
	l.CallSoon(l.Stop)
	l.CallSoon(func() { got = append(got, 100) }) // of the same turn, so it still runs
	if err := l.RunForever(); err != nil || len(got) != 101 || !slices.IsSorted(got) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWhatACallbackAddsRunsInTheNextTurn(t *testing.T) {
	l := newLoop(t)
	var got []string
	l.CallSoon(func() {
		got = append(got, "a")
		l.CallSoon(func() { got = append(got, "c"); l.Stop() })
	})
	l.CallSoon(func() { got = append(got, "b") })
	l.RunForever()
	if s := strings.Join(got, ""); s != "abc" {
		t.Errorf("got %s", s)
	}
}

func TestCancelledHandlesAreNotCalled(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	soon := l.CallSoon(func() { t.Error("the handle was called") })
	later := l.CallLater(time.Second, func() { t.Error("the timer was called") })
	soon.Cancel()
	later.Cancel()
	later.Cancel()
	if !soon.Cancelled() || !later.Cancelled() || later.When() != time.Second {
		t.Error("Cancelled or When is wrong")
	}
	l.CallSoon(l.Stop)
	l.RunForever()
}

func TestTimersRunByTimeAndThenInTheOrderInWhichTheyWereGiven(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	var got []int
	for i, after := range []time.Duration{3, 1, 2, 1, 3, -1, 0} {
		l.CallLater(after*time.Second, func() { got = append(got, i) })
	}
	l.CallLater(4*time.Second, l.Stop)
	l.RunForever()
	if !slices.Equal(got, []int{5, 6, 1, 3, 2, 0, 4}) || l.Time() != 4*time.Second {
		t.Errorf("got %v at %v", got, l.Time())
	}
}

func TestTimerForTheEndOfTimeNeverFires(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	l.CallLater(asyncio.NoTimeout, func() { t.Error("it fired") })
	l.CallLater(time.Hour, l.Stop)
	l.RunForever()
}

func TestStopBeforeTheRunGivesItOneTurn(t *testing.T) {
	l := newLoop(t)
	ran := 0
	l.CallSoon(func() { ran++; l.CallSoon(func() { ran++ }) })
	l.Stop()
	l.RunForever()
	if ran != 1 {
		t.Errorf("%d callbacks ran, want 1", ran)
	}
	l.Stop()
	l.RunForever()
	if ran != 2 {
		t.Errorf("%d callbacks ran after the second run, want 2", ran)
	}
}

func TestRunUntilCompleteGivesTheResultOrSaysWhyNot(t *testing.T) {
	l := newLoop(t)
	ok := asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 7, nil })
	if err := l.RunUntilComplete(ok); err != nil {
		t.Error(err)
	}
	if v, err := ok.Result(); v != 7 || err != nil {
		t.Errorf("Result gave %d, %v", v, err)
	}
	bad := errors.New("bad")
	if err := l.RunUntilComplete(asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 0, bad })); err != bad {
		t.Errorf("a failed task gave %v", err)
	}
	l.CallSoon(l.Stop)
	if err := l.RunUntilComplete(asyncio.NewFuture[int](l)); !errors.Is(err, asyncio.ErrLoopStopped) {
		t.Errorf("a stopped loop gave %v", err)
	}
	if err := l.RunUntilComplete(asyncio.NewFuture[int](newLoop(t))); !errors.Is(err, asyncio.ErrWrongLoop) {
		t.Errorf("a future of another loop gave %v", err)
	}
}

func TestLoopInsideALoopIsAnError(t *testing.T) {
	l := newLoop(t)
	other := newLoop(t)
	l.CallSoon(func() {
		if err := l.RunForever(); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("the same loop: %v", err)
		}
		if err := other.RunForever(); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("another loop: %v", err)
		}
		if err := asyncio.Run(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("Run: %v", err)
		}
		if err := l.Close(); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("Close: %v", err)
		}
		l.Stop()
	})
	l.RunForever()
}

func TestClosedLoopSaysSo(t *testing.T) {
	l := newLoop(t)
	if l.IsClosed() || l.IsRunning() {
		t.Error("a new loop is closed or runs")
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil || !l.IsClosed() {
		t.Errorf("Close gave %v", err)
	}
	if err := l.RunForever(); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("RunForever gave %v", err)
	}
	if err := l.RunUntilComplete(asyncio.NewFuture[int](l)); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("RunUntilComplete gave %v", err)
	}
	if _, err := l.CallSoonThreadsafe(func() {}); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("CallSoonThreadsafe gave %v", err)
	}
	task := asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 1, nil })
	if err := task.Err(); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("a new task has %v", err)
	}
	for name, call := range map[string]func(){
		"CallSoon":  func() { l.CallSoon(func() {}) },
		"CallLater": func() { l.CallLater(0, func() {}) },
		"CallAt":    func() { l.CallAt(0, func() {}) },
	} {
		func() {
			defer func() {
				if v := recover(); v != asyncio.ErrLoopClosed {
					t.Errorf("%s panicked with %v", name, v)
				}
			}()
			call()
		}()
	}
}

func TestCallsFromOtherGoroutinesAllArriveInOrder(t *testing.T) {
	const goroutines, each = 8, 5000
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			l := newLoop(t, opts...)
			var got [goroutines][]int
			left := goroutines * each
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					for i := range each {
						_, err := l.CallSoonThreadsafe(func() {
							got[g] = append(got[g], i)
							if left--; left == 0 {
								l.Stop()
							}
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			for g, calls := range got {
				if len(calls) != each || !slices.IsSorted(calls) {
					t.Errorf("goroutine %d: %d calls, in order: %v", g, len(calls), slices.IsSorted(calls))
				}
			}
		})
	}
}

func TestSocketsAreServedWhileCallbacksAreAlwaysReady(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		busy := true
		var again func()
		again = func() {
			if busy {
				l.CallSoon(again)
			}
		}
		again()
		for range 100 {
			s.Write([]byte("x\n"))
			if _, err := s.ReadLine(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil { // timers too
			t.Error(err)
		}
		busy = false
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestPanicInACallbackIsReportedAndTheOthersRun(t *testing.T) {
	var told []asyncio.ExceptionContext
	l := newLoop(t, asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { told = append(told, c) }))
	ran := 0
	l.CallSoon(func() { ran++ })
	l.CallSoon(func() { panic("one") })
	l.CallSoon(func() { ran++ })
	l.CallSoon(func() { panic(errors.New("two")) })
	l.CallSoon(l.Stop)
	if err := l.RunForever(); err != nil || ran != 2 || len(told) != 2 {
		t.Fatalf("ran %d, told %v, %v", ran, told, err)
	}
	var p *asyncio.PanicError
	if !errors.As(told[0].Err, &p) || p.Value != "one" || !strings.Contains(string(p.Stack), "loop_test.go") {
		t.Errorf("told %+v", told[0])
	}
	if told[1].Err.(*asyncio.PanicError).Unwrap().Error() != "two" {
		t.Errorf("told %+v", told[1])
	}
}

func TestErrorsNobodyLooksAtAreReportedOnceAndBounded(t *testing.T) {
	var told []string
	l := must(asyncio.NewLoop(asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		told = append(told, c.Err.Error())
	})))
	fail := func(text string) *asyncio.Task[int] {
		return asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 0, errors.New(text) })
	}
	run := func() { l.CallSoon(l.Stop); l.RunForever() }
	seen := fail("seen")
	fail("unseen")
	run()
	_ = seen.Err()
	if len(told) != 0 {
		t.Errorf("told before the loop closed: %v", told)
	}
	for range 2000 {
		fail("many")
	}
	run()
	early := len(told)
	if early == 0 {
		t.Error("the list of unseen errors has no bound")
	}
	l.Close()
	if len(told) != 2001 || told[0] != "unseen" || slices.Contains(told, "seen") {
		t.Errorf("told of %d errors, %d of them early", len(told), early)
	}
}

func TestWithoutAHandlerTroublesAreLogged(t *testing.T) {
	var out strings.Builder
	l := newLoop(t, asyncio.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	l.CallSoon(func() { panic("oh no") })
	l.CallSoon(l.Stop)
	l.RunForever()
	if !strings.Contains(out.String(), "oh no") || !strings.Contains(out.String(), "loop_test.go") {
		t.Errorf("logged: %s", out.String())
	}
}

func TestDeadlockOnTheVirtualClockIsAnError(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		_, err := asyncio.NewFuture[int](must(asyncio.RunningLoop(ctx))).Await(ctx)
		return err
	}, asyncio.WithVirtualClock())
	if !errors.Is(err, asyncio.ErrDeadlock) {
		t.Errorf("Run gave %v", err)
	}
}

func TestVirtualClockWaitsForJobsOfTheExecutor(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		release := make(chan struct{})
		job := asyncio.CreateTask(ctx, func(ctx context.Context) (time.Duration, error) {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-release; return 0, nil })
			return must(asyncio.RunningLoop(ctx)).Time(), err
		})
		sleeper := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, time.Hour) })
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		close(release)
		if at, err := job.Await(ctx); at != 0 || err != nil {
			t.Errorf("the job was done at %v, %v", at, err)
		}
		sleeper.Await(ctx)
	})
}

func TestVirtualClockWorksInASynctestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
				<-time.After(time.Hour) // on the clock of the bubble
				return 0, nil
			})
			return errors.Join(err, asyncio.Sleep(ctx, time.Hour))
		}, asyncio.WithVirtualClock())
		if err != nil {
			t.Error(err)
		}
	})
}

func TestFuturesAndTasksKnowTheirLoop(t *testing.T) {
	l, other := newLoop(t), newLoop(t)
	task := asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 0, nil })
	if asyncio.NewFuture[int](l).Loop() != l || task.Loop() != l || asyncio.NewFuture[int](other).Loop() != other {
		t.Error("it is another one")
	}
	if err := l.RunUntilComplete(task); err != nil {
		t.Error(err)
	}
}
