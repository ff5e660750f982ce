package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A cancellation that was asked for before a wait begins ends that wait, without
// a turn of the loop for others in between, and no later one.
func TestTaskThatCancelsItselfIsToldByItsNextWaitAndOnlyThat(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			onVirtualClock(t, func(t *testing.T, ctx context.Context) {
				task := asyncio.Go(ctx, func(ctx context.Context) error {
					asyncio.CurrentTask(ctx).CancelCause(errors.New("by myself"))
					err := wait(ctx)
					wantCancelled(t, err, "by myself")
					if err := asyncio.Sleep(ctx, time.Second); err != nil {
						t.Errorf("the next wait gave %v", err)
					}
					return nil
				})
				if _, err := task.Await(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// deadlockedAt runs body on the virtual clock and then lets the loop find that
// nothing can happen any more. It gives the time at which that was: a timer that
// is still set would have been waited for.
func deadlockedAt(t *testing.T, body func(ctx context.Context)) time.Duration {
	t.Helper()
	l := newLoop(t, asyncio.WithVirtualClock())
	err := l.RunUntilComplete(asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
		body(ctx)
		return asyncio.NewFuture[int](l).Await(ctx)
	}))
	if !errors.Is(err, asyncio.ErrDeadlock) {
		t.Errorf("the run gave %v", err)
	}
	return l.Time()
}

func TestAsCompletedLeavesNoTimerBehind(t *testing.T) {
	for name, body := range map[string]func(ctx context.Context){
		"when all have ended": func(ctx context.Context) {
			for range asyncio.AsCompleted(ctx, time.Hour, after(ctx, time.Second, 1), after(ctx, time.Second, 2)) {
			}
		},
		"when it is left early": func(ctx context.Context) {
			never := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return asyncio.NewFuture[int](loopOf(ctx)).Await(ctx) })
			for range asyncio.AsCompleted(ctx, time.Hour, after(ctx, time.Second, 1), never) {
				break
			}
		},
		"when there is nothing": func(ctx context.Context) {
			for range asyncio.AsCompleted[*asyncio.Task[int]](ctx, time.Hour) {
			}
			asyncio.Sleep(ctx, time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if at := deadlockedAt(t, body); at != time.Second {
				t.Errorf("there was something to wait for until %v", at)
			}
		})
	}
}

func TestLimitsLeaveNoTimerBehind(t *testing.T) {
	second := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }
	for name, body := range map[string]func(ctx context.Context){
		"Timeout": func(ctx context.Context) {
			asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return second(ctx) })
		},
		"Timeout that is put off": func(ctx context.Context) {
			var s asyncio.TimeoutScope
			s.Run(ctx, time.Hour, func(ctx context.Context) error {
				s.Reschedule(2 * time.Hour)
				return second(ctx)
			})
		},
		"Timeout whose body panics": func(ctx context.Context) {
			defer func() { recover() }()
			asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error { second(ctx); panic("body") })
		},
		"WaitFor": func(ctx context.Context) { asyncio.WaitFor(ctx, time.Hour, after(ctx, time.Second, 1)) },
		"Wait": func(ctx context.Context) {
			asyncio.Wait(ctx, asyncio.AllCompleted, time.Hour, after(ctx, time.Second, 1))
		},
		"Wait that is cancelled": func(ctx context.Context) {
			waiter := asyncio.Go(ctx, func(ctx context.Context) error {
				return errorOf3(asyncio.Wait(ctx, asyncio.AllCompleted, time.Hour, asyncio.NewFuture[int](loopOf(ctx))))
			})
			second(ctx)
			waiter.Cancel()
			waiter.Await(ctx)
		},
		"Sleep that is cancelled": func(ctx context.Context) {
			sleeper := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			second(ctx)
			sleeper.Cancel()
			sleeper.Await(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if at := deadlockedAt(t, body); at != time.Second {
				t.Errorf("there was something to wait for until %v", at)
			}
		})
	}
}

// A group whose body panics waits for its tasks all the same, and then its
// context has ended, for all that was derived from it.
func TestContextOfAGroupWhoseBodyPanicsEnds(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var inner, derived context.Context
		var stop context.CancelFunc
		func() {
			defer func() {
				if v := recover(); v != "body" {
					t.Errorf("recovered %v", v)
				}
			}()
			asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				inner = ctx
				derived, stop = context.WithCancel(ctx)
				panic("body")
			})
		}()
		defer stop()
		if inner.Err() == nil || derived.Err() == nil {
			t.Errorf("the context of the group has the error %v, one derived from it %v", inner.Err(), derived.Err())
		}
		if ctx.Err() != nil {
			t.Errorf("the task's own has ended: %v", ctx.Err())
		}
	})
}

func TestContextOfATimeoutThatWasLeftHasEnded(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var derived context.Context
		asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			var stop context.CancelFunc
			derived, stop = context.WithCancel(ctx)
			context.AfterFunc(derived, stop)
			return nil
		})
		<-derived.Done() //asyncvet:ignore blocking it has ended, or does at once
		if ctx.Err() != nil {
			t.Errorf("the task's own has ended: %v", ctx.Err())
		}
	})
}

// Who looks early and who looks late is told the same.
func TestShieldOfWhatHasEndedGivesTheSameAsOfWhatEndsLater(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		fail := func(ctx context.Context) (int, error) { return 7, errBoom }
		ended := asyncio.CreateTask(ctx, fail)
		asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, ended)
		for name, task := range map[string]*asyncio.Task[int]{"ended": ended, "under way": asyncio.CreateTask(ctx, fail)} {
			if v, err := asyncio.Shield(ctx, task); v != 0 || err != errBoom {
				t.Errorf("%s: %d, %v", name, v, err)
			}
		}
		cancelled := asyncio.CreateTask(ctx, fail)
		cancelled.CancelCause(errors.New("shielded"))
		for range 2 {
			_, err := asyncio.Shield(ctx, cancelled)
			wantCancelled(t, err, "shielded")
		}
		fine := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return 8, nil })
		for range 2 {
			if v, err := asyncio.Shield(ctx, fine); v != 8 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}
		if v, err := asyncio.ShieldFuture(fine).Await(ctx); v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

// What has waited and was interrupted is forgotten by what it waited for, which
// may live for long.
func TestInterruptedWaitsLeaveNothingBehind(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		event, lock := asyncio.NewEvent(), new(asyncio.Lock)
		lock.Acquire(ctx)
		future := asyncio.NewFuture[int](loopOf(ctx))
		queue := asyncio.NewQueue[int](0)
		threads := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		for name, wait := range map[string]func(context.Context) error{
			"Stream.WaitClosed": s.WaitClosed,
			"Server.WaitClosed": srv.WaitClosed,
			"Stream.Read":       func(ctx context.Context) error { return errorOf(s.ReadContext(ctx, make([]byte, 1))) },
			"Event.Wait":        event.Wait,
			"Lock.Acquire":      lock.Acquire,
			"Queue.Get":         func(ctx context.Context) error { return errorOf(queue.Get(ctx)) },
			"ThreadQueue.Get":   func(ctx context.Context) error { return errorOf(threads.Async().Get(ctx)) },
			"Shield":            func(ctx context.Context) error { return errorOf(asyncio.Shield(ctx, future)) },
			"Wait": func(ctx context.Context) error {
				return errorOf3(asyncio.Wait(ctx, asyncio.AllCompleted, time.Hour, future))
			},
		} {
			mustBeLetGo(t, name, func(x *thing) {
				task := asyncio.Go(ctx, func(ctx context.Context) error {
					err := wait(ctx)
					runtime.KeepAlive(x)
					return err
				})
				turns(ctx, 3)
				task.Cancel()
				if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
					t.Errorf("%s gave %v", name, err)
				}
			})
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestSideForGoroutinesOfAThreadQueueRefusesTheLoopsOwn(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		q.PutNowait(1)
		for name, err := range map[string]error{
			"Get": errorOf(q.Sync().Get(ctx)), "Put": q.Sync().Put(ctx, 2), "Join": q.Sync().Join(ctx),
		} {
			if !errors.Is(err, asyncio.ErrLoopRunning) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if q.Len() != 1 {
			t.Errorf("%d items are in it", q.Len())
		}
	})
}

func TestBarrierOfOneLetsEachThrough(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		b := asyncio.NewBarrier(1)
		for range 3 {
			if place, err := b.Wait(ctx); place != 0 || err != nil {
				t.Errorf("place %d, %v", place, err)
			}
		}
		for _, n := range []int{0, -1} {
			func() {
				defer func() {
					if _, ok := recover().(*asyncio.MisuseError); !ok {
						t.Errorf("a barrier for %d did not panic", n)
					}
				}()
				asyncio.NewBarrier(n)
			}()
		}
	})
}

func TestFutureOfAChannelEndsWithItsLoop(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	task := asyncio.CreateTaskOn(l, func(ctx context.Context) (err error, _ error) {
		sleep := asyncio.Sleep(ctx, 24*time.Hour) // until the loop closes
		f := asyncio.WrapChan(l, make(chan int))
		if !errors.Is(sleep, asyncio.ErrLoopClosed) || !errors.Is(f.Err(), asyncio.ErrLoopClosed) {
			t.Errorf("the sleep gave %v, the future has %v", sleep, f.Err())
		}
		return nil, nil
	})
	l.CallSoon(func() { l.CallSoon(l.Stop) })
	l.RunForever()
	l.Close()
	if !task.Done() {
		t.Error("the task has not ended")
	}
}
