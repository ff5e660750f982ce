package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// waits is every function that waits, set up so that it does.
var waits = map[string]func(ctx context.Context) error{
	"Sleep": func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
	"Future.Await": func(ctx context.Context) error {
		_, err := asyncio.NewFuture[int](loopOf(ctx)).Await(ctx)
		return err
	},
	"Task.Await": func(ctx context.Context) error {
		_, err := after(ctx, time.Hour, 1).Await(ctx)
		return err
	},
	"Gather": func(ctx context.Context) error {
		_, err := asyncio.Gather[int](ctx, after(ctx, time.Hour, 1), after(ctx, time.Hour, 2))
		return err
	},
	"GatherSettled": func(ctx context.Context) error {
		_, err := asyncio.GatherSettled[int](ctx, after(ctx, time.Hour, 1), after(ctx, 0, 2))
		return err
	},
	"GatherFuture": func(ctx context.Context) error {
		_, err := asyncio.GatherFuture(loopOf(ctx), after(ctx, time.Hour, 1)).Await(ctx)
		return err
	},
	"Wait": func(ctx context.Context) error {
		_, _, err := asyncio.Wait(ctx, asyncio.AllCompleted, time.Hour, after(ctx, time.Hour, 1))
		return err
	},
	"WaitFor": func(ctx context.Context) error {
		_, err := asyncio.WaitFor(ctx, time.Hour, after(ctx, time.Hour, 1))
		return err
	},
	"AsCompleted": func(ctx context.Context) (last error) {
		for _, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, after(ctx, time.Hour, 1)) {
			last = err
		}
		return last
	},
	"Shield": func(ctx context.Context) error {
		_, err := asyncio.Shield(ctx, asyncio.NewFuture[int](loopOf(ctx)))
		return err
	},
	"Timeout": func(ctx context.Context) error { return asyncio.Timeout(ctx, time.Hour, sleepFor(time.Hour)) },
	"Group": func(ctx context.Context) error {
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			return nil
		})
	},
	"Lock.Acquire": func(ctx context.Context) error {
		var l asyncio.Lock
		_ = l.Acquire(ctx)
		return l.Acquire(ctx)
	},
	"Event.Wait": func(ctx context.Context) error { return asyncio.NewEvent().Wait(ctx) },
	"Condition.Wait": func(ctx context.Context) error {
		c := asyncio.NewCondition()
		return c.With(ctx, c.Wait)
	},
	"Condition.WaitFor": func(ctx context.Context) error {
		c := asyncio.NewCondition()
		return c.With(ctx, func(ctx context.Context) error { return c.WaitFor(ctx, func() bool { return false }) })
	},
	"Semaphore.Acquire": func(ctx context.Context) error { return asyncio.NewSemaphore(0).Acquire(ctx) },
	"Barrier.Wait": func(ctx context.Context) error {
		_, err := asyncio.NewBarrier(2).Wait(ctx)
		return err
	},
	"Queue.Get": func(ctx context.Context) error {
		_, err := asyncio.NewQueue[int](0).Get(ctx)
		return err
	},
	"Queue.Put": func(ctx context.Context) error {
		q := asyncio.NewQueue[int](1)
		_ = q.Put(ctx, 1)
		return q.Put(ctx, 2)
	},
	"Queue.Join": func(ctx context.Context) error {
		q := asyncio.NewQueue[int](0)
		_ = q.Put(ctx, 1)
		return q.Join(ctx)
	},
}

// CPython: gh-86296 and others: the message is lost on the way, or is there
// for the first who asks only.
func TestACancellationKeepsItsMessageEverywhere(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				task := asyncio.Go(ctx, wait)
				turns(ctx, 3)
				if !task.CancelCause(errors.New("the message")) {
					t.Fatal("it had ended")
				}
				for range 2 {
					_, err := task.Await(ctx)
					wantCancelled(t, err, "the message")
				}
				if !task.Cancelled() || task.Cancelling() != 1 {
					t.Error("cancelled", task.Cancelled(), "cancelling", task.Cancelling())
				}
			})
		})
	}
}

func TestACancellationBeforeTheFirstStepKeepsItsMessageAndNothingRuns(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(context.Context) error { t.Error("it ran"); return nil })
		task.CancelCause(errors.New("early"))
		_, err := task.Await(ctx)
		wantCancelled(t, err, "early")
	})
}

func TestACancellationIsToldOnce(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				task := asyncio.Go(ctx, func(ctx context.Context) error {
					_ = wait(ctx)
					return asyncio.Sleep(ctx, time.Second)
				})
				turns(ctx, 3)
				task.Cancel()
				if _, err := task.Await(ctx); err != nil || task.Cancelled() {
					t.Error(err)
				}
			})
		})
	}
}

func TestEveryWaitEndsWithADerivedContext(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			inRealTime(t, func(ctx context.Context) {
				derived, cancel := context.WithCancel(ctx)
				soon := loopOf(ctx)
				soon.CallSoon(func() { soon.CallSoon(func() { soon.CallSoon(cancel) }) })
				if err := wait(derived); err != context.Canceled {
					t.Errorf("while it waits: %v", err)
				}
				if err := wait(derived); err != context.Canceled {
					t.Errorf("with a context that has ended: %v", err)
				}
				if task := asyncio.CurrentTask(ctx); task.Cancelling() != 0 {
					t.Error("cancelling", task.Cancelling())
				}
			})
		})
	}
}

func TestEveryWaitIsAnErrorOutsideOfALoop(t *testing.T) {
	for _, name := range []string{"Sleep", "Event.Wait", "Semaphore.Acquire", "Barrier.Wait", "Queue.Get", "Timeout", "Group"} {
		t.Run(name, func(t *testing.T) {
			wantErr(t, waits[name](t.Context()), asyncio.ErrNoRunningLoop)
		})
	}
}

// A loop that is closed while tasks wait ends every wait, and hangs in none.
func TestEveryWaitEndsWhenTheLoopIsClosed(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			l, err := asyncio.NewLoop(asyncio.WithVirtualClock())
			if err != nil {
				t.Fatal(err)
			}
			var got error
			ended := false
			asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
				got = wait(ctx)
				ended = true
				return 0, got
			})
			l.CallLater(time.Second, l.Stop)
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
			if ended {
				t.Fatal("it did not wait:", got)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if !ended {
				t.Error("it still waits")
			}
			wantErr(t, got, asyncio.ErrLoopClosed)
		})
	}
}

// A task that cancels itself is told so at its next await, whatever context
// that is given.
func TestACancellationComesBeforeTheEndOfTheContextThatItHasEnded(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			asyncio.CurrentTask(ctx).CancelCause(errors.New("itself"))
			return asyncio.Sleep(derived, time.Second)
		})
		_, err := task.Await(ctx)
		wantCancelled(t, err, "itself")
		if !task.Cancelled() {
			t.Error("not cancelled")
		}
	})
}

// What is awaited fails in the turn in which the task that awaits is cancelled.
// The cancellation is what the task is told; the failure is reported.
func TestAFailureThatMeetsACancellationIsReported(t *testing.T) {
	awaits := map[string]func(ctx context.Context, f *asyncio.Future[int]) error{
		"Await":  func(ctx context.Context, f *asyncio.Future[int]) error { _, err := f.Await(ctx); return err },
		"Shield": func(ctx context.Context, f *asyncio.Future[int]) error { _, err := asyncio.Shield(ctx, f); return err },
		"Gather": func(ctx context.Context, f *asyncio.Future[int]) error { _, err := asyncio.Gather(ctx, f); return err },
		"WaitFor": func(ctx context.Context, f *asyncio.Future[int]) error {
			_, err := asyncio.WaitFor(ctx, time.Hour, f)
			return err
		},
	}
	for name, await := range awaits {
		for _, later := range []int{0, 1} {
			if later == 1 && name != "Shield" && name != "Gather" { // these hear of it in the next turn
				continue
			}
			t.Run(fmt.Sprint(name, ", cancelled after ", later), func(t *testing.T) {
				var reported []error
				handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c.Err) }
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					l := loopOf(ctx)
					f := asyncio.NewFuture[int](l)
					task := asyncio.Go(ctx, func(ctx context.Context) error { return await(ctx, f) })
					turns(ctx, 2)
					_ = f.SetError(errBoom)
					if later == 0 {
						task.CancelCause(errors.New("stop"))
					} else {
						l.CallSoon(func() { task.CancelCause(errors.New("stop")) })
					}
					_, err := task.Await(ctx)
					wantCancelled(t, err, "stop")
					return nil
				}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(handler))
				if err != nil || len(reported) != 1 || reported[0] != errBoom {
					t.Error(err, reported)
				}
			})
		}
	}
}
