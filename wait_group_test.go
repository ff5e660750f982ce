package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// wantGroup wants a GroupError of just these.
func wantGroup(t testing.TB, err error, want ...error) {
	t.Helper()
	var g *asyncio.GroupError
	if !errors.As(err, &g) || !slices.Equal(g.Errors, want) {
		t.Errorf("got %v, want a GroupError of %v", err, want)
	}
}

func TestGroupWaitsForItsTasks(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var a, b *asyncio.Task[int]
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			a = asyncio.Spawn(g, func(ctx context.Context) (int, error) { return 1, asyncio.Sleep(ctx, time.Second) })
			b = asyncio.Spawn(g, func(ctx context.Context) (int, error) { return 2, asyncio.Sleep(ctx, 3*time.Second) }, asyncio.WithName("b"))
			return nil
		})
		x, _ := a.Result()
		y, _ := b.Result()
		if err != nil || x != 1 || y != 2 || b.Name() != "b" || now(ctx) != 3*time.Second {
			t.Error(err, x, y, now(ctx))
		}
	})
}

func TestFailureOfATaskEndsTheGroup(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var other *asyncio.Task[struct{}]
		var inner context.Context
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			inner = ctx
			other = g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			g.Go(func(ctx context.Context) error { _ = asyncio.Sleep(ctx, time.Second); return errBoom })
			err := asyncio.Sleep(ctx, time.Hour)
			wantCancelled(t, err, "")
			if ctx.Err() == nil {
				t.Error("the body's context has not ended")
			}
			return err
		})
		wantGroup(t, err, errBoom)
		if err.Error() != "boom" {
			t.Errorf("%q", err)
		}
		wantErr(t, context.Cause(inner), errBoom)
		if !other.Cancelled() || inner.Err() == nil || ctx.Err() != nil || asyncio.CurrentTask(ctx).Cancelling() != 0 {
			t.Error("the others were not ended, or more than the group was")
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil || now(ctx) != 2*time.Second {
			t.Error(err, now(ctx))
		}
	})
}

func TestFailureOfTheBodyEndsTheTasks(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		other := errors.New("other")
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error { _ = asyncio.Sleep(ctx, time.Hour); return other })
			turns(ctx, 1)
			return errBoom
		})
		wantGroup(t, err, other, errBoom)
	})
}

func TestGroupOfWhichATaskWasCancelledDoesNotFail(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }).Cancel()
			g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
			return nil
		})
		if err != nil || now(ctx) != time.Second {
			t.Error(err, now(ctx))
		}
	})
}

func TestCancellingTheParentCancelsTheGroup(t *testing.T) {
	for _, where := range []string{"in the body", "in the wait"} {
		t.Run(where, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var child *asyncio.Task[struct{}]
				parent := asyncio.Go(ctx, func(ctx context.Context) error {
					return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
						child = g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
						if where == "in the body" {
							return asyncio.Sleep(ctx, time.Hour)
						}
						return nil
					})
				})
				turns(ctx, 3)
				parent.CancelCause(errors.New("stop"))
				_, err := parent.Await(ctx)
				wantCancelled(t, err, "stop")
				if !parent.Cancelled() || !child.Cancelled() {
					t.Error("parent", parent.Cancelled(), "child", child.Cancelled())
				}
			})
		})
	}
}

// A task fails, and while the group ends for that the parent is cancelled from
// outside. CPython: gh-116720, gh-115957: the cancellation was lost.
func TestGroupDoesNotSwallowACancellationFromOutside(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var group error
		parent := asyncio.Go(ctx, func(ctx context.Context) error {
			group = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(context.Context) error { return errBoom })
				g.Go(func(ctx context.Context) error { // takes its time to end
					_ = asyncio.Sleep(ctx, time.Hour)
					return asyncio.Sleep(ctx, time.Second)
				})
				return nil
			})
			if n := asyncio.CurrentTask(ctx).Cancelling(); n != 1 {
				t.Error("cancelling", n)
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		turns(ctx, 4)
		parent.CancelCause(errors.New("from outside"))
		_, err := parent.Await(ctx)
		wantCancelled(t, err, "from outside")
		if now(ctx) != time.Second {
			t.Error(now(ctx))
		}
		wantGroup(t, group, errBoom)
	})
}

// The inner group's cancellation of the parent is taken back by the inner one.
// CPython: gh-94398, gh-116720.
func TestGroupDoesNotLeakItsOwnCancellation(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			inner := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(context.Context) error { return errBoom })
				return asyncio.Sleep(ctx, time.Hour)
			})
			wantGroup(t, inner, errBoom)
			return asyncio.Sleep(ctx, time.Second)
		})
		if err != nil || asyncio.CurrentTask(ctx).Cancelling() != 0 {
			t.Error(err)
		}
		// A body that handles the error ends the group all the same.
		err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(context.Context) error { return errBoom })
			turns(ctx, 10)
			return nil
		})
		wantGroup(t, err, errBoom)
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutAroundAGroupIsATimeout(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				return nil
			})
		})
		wantTimeout(t, err)
	})
}

func TestGroupThatHasEndedRefusesTasks(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		refused := func(g *asyncio.TaskGroup) {
			t.Helper()
			task := g.Go(func(context.Context) error { t.Error("it ran"); return nil })
			if !task.Done() {
				t.Error("it was not refused at once")
			}
			wantErr(t, task.Err(), asyncio.ErrGroupClosed)
		}
		var ended *asyncio.TaskGroup
		_ = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			ended = g
			g.Go(func(context.Context) error { return errBoom })
			turns(ctx, 3)
			refused(g)
			return nil
		})
		refused(ended)
		if n := len(asyncio.AllTasks(ctx)); n != 1 {
			t.Errorf("%d tasks", n)
		}
	})
}

func TestTasksOfAGroupMayStartOthers(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		n := 0
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			var spawn func(depth int)
			spawn = func(depth int) {
				g.Go(func(ctx context.Context) error {
					n++
					if depth > 0 {
						spawn(depth - 1)
					}
					return asyncio.Sleep(ctx, time.Second)
				})
			}
			spawn(4)
			return nil
		})
		if err != nil || n != 5 {
			t.Error(err, n)
		}
	})
}

// CPython: gh-128588, gh-128550: an eager task that failed at once cancelled
// the parent in the middle of create_task.
func TestEagerTaskInAGroupIsHeededInTheNextTurn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var second *asyncio.Task[struct{}]
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			first := g.Go(func(context.Context) error { return errBoom }, asyncio.WithEagerStart())
			if !first.Done() || asyncio.CurrentTask(ctx).Cancelling() != 0 || ctx.Err() != nil {
				t.Error("heeded at once")
			}
			second = g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			err := asyncio.Sleep(ctx, time.Hour)
			wantCancelled(t, err, "")
			return err
		})
		wantGroup(t, err, errBoom)
		if !second.Cancelled() {
			t.Error("the second was not cancelled")
		}
	})
}

func TestPanicOfTheBodyGoesOnWhenTheTasksHaveEnded(t *testing.T) {
	var reported []error
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c.Err) }
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		defer func() {
			if v := recover(); v != any("x") || now(ctx) != time.Second || len(asyncio.AllTasks(ctx)) != 1 {
				t.Errorf("recovered %v at %v, %d tasks left", v, now(ctx), len(asyncio.AllTasks(ctx)))
			}
		}()
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, time.Hour)
				_ = asyncio.Sleep(ctx, time.Second)
				return errBoom
			})
			turns(ctx, 1)
			panic("x")
		})
	}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(handler))
	if err != nil || !slices.Equal(reported, []error{errBoom}) {
		t.Error(err, reported)
	}
}

func TestPanicOfATaskIsAnErrorOfTheGroup(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(context.Context) error { panic(errBoom) })
			return nil
		})
		var p *asyncio.PanicError
		if !errors.As(err, &p) || !errors.Is(err, errBoom) {
			t.Error(err)
		}
	})
}

func TestTheEndOfADerivedContextEndsTheGroup(t *testing.T) {
	for _, where := range []string{"in the body", "in the wait"} {
		t.Run(where, func(t *testing.T) {
			inRealTime(t, func(ctx context.Context) {
				derived, cancel := context.WithCancel(ctx)
				loopOf(ctx).CallSoon(func() { loopOf(ctx).CallSoon(cancel) })
				var child *asyncio.Task[struct{}]
				err := asyncio.Group(derived, func(ctx context.Context, g *asyncio.TaskGroup) error {
					child = g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
					if where == "in the body" {
						return asyncio.Sleep(ctx, time.Hour)
					}
					return nil
				})
				if err != context.Canceled || !child.Cancelled() {
					t.Error(err, child.Cancelled())
				}
			})
		})
	}
}

// A task that nobody holds is held by the loop. CPython: bpo-44665 and others:
// it may be collected before it has ended.
func TestTasksThatNobodyHoldsAreNotLost(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		done := 0
		for range 10 {
			asyncio.Go(ctx, func(ctx context.Context) error {
				f := asyncio.NewFuture[int](loopOf(ctx))
				loopOf(ctx).CallLater(time.Second, func() { collectGarbage(); _ = f.SetResult(1) })
				_, err := f.Await(ctx)
				done++
				return err
			})
		}
		turns(ctx, 1)
		collectGarbage()
		_ = asyncio.Sleep(ctx, 2*time.Second)
		if done != 10 {
			t.Errorf("%d of 10 ended", done)
		}
	})
}

// The body ends its goroutine, as testing.T.FailNow does. The tasks end first.
func TestGoexitOfTheBodyGoesOnWhenTheTasksHaveEnded(t *testing.T) {
	var child *asyncio.Task[struct{}]
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				child = g.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return asyncio.Sleep(ctx, time.Second)
				})
				turns(ctx, 1)
				runtime.Goexit()
				return nil
			})
		}, asyncio.WithVirtualClock())
		t.Error("Run returned")
	}()
	<-gone
	if !child.Done() || child.Err() != nil {
		t.Error(child.Err())
	}
}

// Tasks of nested groups fail, end or start others at random, and the whole is
// cancelled or not. No task is left, the parent's count of cancellations is
// what others asked for, and if they did, it is told.
func TestGroupsLeaveNothingBehindUnderRandomFailuresAndCancels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := random{rt}
		var body func(depth int) func(ctx context.Context) error
		body = func(depth int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				switch r.upTo(4) {
				case 0:
					_ = asyncio.Sleep(ctx, r.delay())
					return errBoom
				case 1, 2:
					if depth > 0 {
						return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
							for range 1 + r.upTo(3) {
								g.Go(body(depth - 1))
							}
							return asyncio.Sleep(ctx, r.delay())
						})
					}
				}
				return asyncio.Sleep(ctx, r.delay())
			}
		}
		holds(rt, func(ctx context.Context) error {
			var result, told error
			left, requests := 0, 0
			parent := asyncio.Go(ctx, func(ctx context.Context) error {
				result = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 1 + r.upTo(3) {
						g.Go(body(2))
					}
					return asyncio.Sleep(ctx, r.delay())
				})
				left = len(asyncio.AllTasks(ctx)) - 2
				requests = asyncio.CurrentTask(ctx).Cancelling()
				told = result
				if requests > 0 && !asyncio.IsCancelled(told) {
					told = asyncio.Sleep(ctx, time.Second)
				}
				return nil
			})
			asked := 0
			for range r.upTo(2) {
				if err := asyncio.Sleep(ctx, r.delay()); err != nil {
					return err
				}
				if result == nil && parent.CancelCause(errors.New("from outside")) {
					asked++
				}
			}
			if _, err := parent.Await(ctx); err != nil {
				return nil // it was cancelled before it began, or after it was told
			}
			switch {
			case left != 0:
				return fmt.Errorf("%d tasks are left", left)
			case requests > asked:
				return fmt.Errorf("%d cancellations of %d that were asked for", requests, asked)
			case requests > 0 && !asyncio.IsCancelled(told):
				return fmt.Errorf("cancelled %d times, and told %v", requests, told)
			case requests == 0 && result != nil && !errors.As(result, new(*asyncio.GroupError)):
				return fmt.Errorf("not cancelled, but ended with %w", result)
			}
			return nil
		})
	})
}

func TestCancelEndsAGroupWithoutAnError(t *testing.T) {
	forever := func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.NoTimeout) }
	bodies := map[string]func(context.Context, *asyncio.TaskGroup) error{
		"in a task, while body waits": func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				defer g.Cancel()
				return asyncio.Sleep(ctx, time.Second)
			})
			return forever(ctx)
		},
		"in a task, after body": func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				defer g.Cancel()
				return asyncio.Sleep(ctx, time.Second)
			})
			return nil
		},
		"in body, which returns": func(ctx context.Context, g *asyncio.TaskGroup) error {
			_ = asyncio.Sleep(ctx, time.Second)
			g.Cancel()
			g.Cancel()
			return nil
		},
		"in body, which goes on": func(ctx context.Context, g *asyncio.TaskGroup) error {
			_ = asyncio.Sleep(ctx, time.Second)
			g.Cancel()
			return forever(ctx)
		},
		"in body, which passes its context's error on": func(ctx context.Context, g *asyncio.TaskGroup) error {
			_ = asyncio.Sleep(ctx, time.Second)
			g.Cancel()
			return ctx.Err()
		},
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var group *asyncio.TaskGroup
				var other, late *asyncio.Task[struct{}]
				err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					group = g
					other = g.Go(func(ctx context.Context) error {
						err := forever(ctx)
						late = g.Go(forever)
						return err
					})
					return body(ctx, g)
				})
				if err != nil || !other.Cancelled() || now(ctx) != time.Second {
					t.Error(err, other.Err(), now(ctx))
				}
				wantErr(t, late.Err(), asyncio.ErrGroupClosed)
				group.Cancel() // which is too late to do anything
				if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
					t.Errorf("%d cancellations are left", n)
				}
				if err := asyncio.Sleep(ctx, 0); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCancelOfAGroupHidesNoFailure(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, time.Hour)
				return errBoom
			})
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			g.Cancel()
			return nil
		})
		wantGroup(t, err, errBoom)
	})
}

func TestCancelOfAGroupHidesNoOtherCancellation(t *testing.T) {
	for _, inBody := range []bool{true, false} {
		inVirtualTime(t, func(ctx context.Context) {
			var group *asyncio.TaskGroup
			outer := asyncio.Go(ctx, func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					group = g
					g.Go(func(ctx context.Context) error {
						err := asyncio.Sleep(ctx, time.Hour)
						_ = asyncio.Sleep(ctx, time.Minute) // it cleans up
						return err
					})
					if inBody {
						return asyncio.Sleep(ctx, time.Hour)
					}
					return nil
				})
			})
			_ = asyncio.Sleep(ctx, time.Second)
			group.Cancel()
			_ = asyncio.Sleep(ctx, time.Second)
			outer.CancelCause(errors.New("from outside"))
			_, err := outer.Await(ctx)
			wantCancelled(t, err, "from outside")
			if now(ctx) != time.Minute+time.Second {
				t.Error(now(ctx))
			}
		})
	}
}
