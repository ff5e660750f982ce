package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// loopThatIgnoresErrors is the code that a cancellation told once does not end.
func loopThatIgnoresErrors(ctx context.Context, event *asyncio.Event) (rounds int, err error) {
	for rounds < 1000 {
		_ = event.Wait(ctx) // as code does with Fprintf
		rounds++
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return rounds, err
		}
	}
	return rounds, nil
}

func TestEveryWaitInACancelledScopeFails(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		event := asyncio.NewEvent()
		rounds := 0
		ended, err := asyncio.MoveOnAfter(ctx, 2*time.Second, func(ctx context.Context) (err error) {
			rounds, err = loopThatIgnoresErrors(ctx, event)
			return err
		})
		if !ended || err != nil || rounds != 1 || now(ctx) != 2*time.Second {
			t.Errorf("ended %v, %v, after %d rounds at %v", ended, err, rounds, now(ctx))
		}
		if asyncio.CurrentTask(ctx).Cancelling() != 0 || ctx.Err() != nil {
			t.Error("the task itself counts as cancelled")
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			t.Error("a wait after the scope: ", err)
		}
	})
}

func TestWaitsOfEveryKindFailInACancelledScope(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var scope asyncio.CancelScope
				failed := 0
				err := scope.Run(ctx, func(ctx context.Context) error {
					loopOf(ctx).CallLater(time.Second, scope.Cancel)
					for range 3 {
						if err := wait(ctx); err != nil {
							failed++
						}
					}
					return ctx.Err()
				})
				if failed != 3 || err != nil || !scope.Caught() {
					t.Errorf("%d of 3 failed; %v", failed, err)
				}
			})
		})
	}
}

func TestFailAfterIsATimeout(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		wantTimeout(t, asyncio.FailAfter(ctx, time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }))
		if err := asyncio.FailAfter(ctx, time.Second, func(ctx context.Context) error { return errBoom }); err != errBoom {
			t.Error(err)
		}
		if err := asyncio.FailAfter(ctx, 0, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }); err == nil {
			t.Error("no time is no limit")
		}
	})
}

func TestAnErrorThatIsNoCancellationLeavesACancelledScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var scope asyncio.CancelScope
		err := scope.Run(ctx, func(ctx context.Context) error {
			scope.Cancel()
			_ = asyncio.Sleep(ctx, time.Hour)
			return errBoom
		})
		if err != errBoom || scope.Caught() || !scope.Cancelled() {
			t.Errorf("%v, caught %v", err, scope.Caught())
		}
	})
}

func TestAScopeCancelledBeforeItBeginsFailsTheFirstWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var scope asyncio.CancelScope
		scope.Cancel()
		err := scope.Run(ctx, func(ctx context.Context) error {
			if ctx.Err() == nil {
				t.Error("the context has not ended")
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		if err != nil || !scope.Caught() || now(ctx) != 0 {
			t.Error(err, now(ctx))
		}
	})
}

func TestCancellingTheTaskPassesThroughAScope(t *testing.T) {
	for _, both := range []bool{false, true} {
		inVirtualTime(t, func(ctx context.Context) {
			var scope asyncio.CancelScope
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				return scope.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			})
			asyncio.Sleep(ctx, time.Second)
			if both {
				scope.Cancel()
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || scope.Caught() {
				t.Errorf("both=%v: %v, caught %v", both, err, scope.Caught())
			}
		})
	}
}

func TestAnOuterScopeEndsTheInnerOne(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, inner asyncio.CancelScope
		err := outer.Run(ctx, func(ctx context.Context) error {
			loopOf(ctx).CallLater(time.Second, outer.Cancel)
			err := inner.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			if !asyncio.IsCancelled(err) || inner.Caught() {
				t.Errorf("the inner scope: %v", err)
			}
			if err := asyncio.Sleep(ctx, time.Second); err == nil {
				t.Error("a wait between the scopes did not fail")
			}
			return err
		})
		if err != nil || !outer.Caught() {
			t.Error(err)
		}
	})
}

func TestAShieldedScopeCleansUpInPeace(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer asyncio.CancelScope
		cleaned := false
		err := outer.Run(ctx, func(ctx context.Context) error {
			outer.Cancel()
			err := asyncio.Sleep(ctx, time.Hour)
			var shield asyncio.CancelScope
			shield.SetShield(true)
			shield.SetDeadline(10 * time.Second)
			if err := shield.Run(ctx, func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				cleaned = true
				return asyncio.Sleep(ctx, time.Hour)
			}); err != nil || !shield.Caught() {
				t.Errorf("the shielded scope: %v", err)
			}
			if err := asyncio.Sleep(ctx, time.Second); err == nil {
				t.Error("a wait after the shield did not fail")
			}
			return err
		})
		if err != nil || !cleaned || now(ctx) != 10*time.Second {
			t.Errorf("%v, cleaned %v at %v", err, cleaned, now(ctx))
		}
	})
}

func TestTakingTheShieldAwayLetsTheCancellationIn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, shield asyncio.CancelScope
		shield.SetShield(true)
		err := outer.Run(ctx, func(ctx context.Context) error {
			return shield.Run(ctx, func(ctx context.Context) error {
				loopOf(ctx).CallLater(time.Second, outer.Cancel)
				loopOf(ctx).CallLater(2*time.Second, func() { shield.SetShield(false) })
				return asyncio.Sleep(ctx, time.Hour)
			})
		})
		if err != nil || !outer.Caught() || shield.Caught() || now(ctx) != 2*time.Second {
			t.Errorf("%v at %v", err, now(ctx))
		}
	})
}

func TestTasksOfAGroupInACancelledScopeAreCancelledForGood(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		event := asyncio.NewEvent()
		rounds := 0
		ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) (err error) {
					rounds, err = loopThatIgnoresErrors(ctx, event)
					return err
				})
				return nil
			})
		})
		if !ended || err != nil || rounds != 1 || now(ctx) != time.Second {
			t.Errorf("ended %v, %v, %d rounds, at %v", ended, err, rounds, now(ctx))
		}
	})
}

// The parent of a group waits for tasks that take their time to clean up: a wait that
// fails again and again would keep the loop busy meanwhile.
func TestAGroupInACancelledScopeWaitsOnce(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		before := loopOf(ctx).Stats().Turns
		ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					var shield asyncio.CancelScope
					shield.SetShield(true)
					return shield.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				})
				return nil
			})
		})
		if !ended || err != nil || now(ctx) < time.Hour {
			t.Errorf("ended %v, %v, at %v", ended, err, now(ctx))
		}
		if turns := loopOf(ctx).Stats().Turns - before; turns > 50 {
			t.Errorf("the loop has turned %d times", turns)
		}
	})
}

func TestAConditionInACancelledScopeStillTakesItsLock(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		c := asyncio.NewCondition()
		_, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			if err := c.Acquire(ctx); err != nil {
				return err
			}
			holder := asyncio.Go(ctx, func(ctx context.Context) error {
				if err := c.Acquire(ctx); err != nil {
					return err
				}
				defer c.Release()
				return asyncio.Sleep(ctx, time.Minute)
			})
			err := c.Wait(ctx)
			if !c.Locked() || !holder.Done() {
				t.Error("Wait has returned without the lock")
			}
			c.Release()
			return err
		})
		if err != nil || now(ctx) != time.Minute {
			t.Error(err, now(ctx))
		}
	})
}

func TestAScopeIsUsedOnce(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var scope asyncio.CancelScope
		_ = scope.Run(ctx, func(ctx context.Context) error { return nil })
		defer func() {
			if recover() == nil {
				t.Error("it could be used twice")
			}
		}()
		_ = scope.Run(ctx, func(ctx context.Context) error { return nil })
	})
}

// However scopes, shields and timeouts are nested and cancelled, the task is not
// cancelled outside of them, and waits there.
func TestScopesLeaveNothingBehind(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		holds(rt, func(ctx context.Context) error {
			l := loopOf(ctx)
			var nest func(ctx context.Context, depth int) error
			nest = func(ctx context.Context, depth int) error {
				for range rapid.IntRange(0, 3).Draw(rt, "waits") {
					_ = asyncio.Sleep(ctx, time.Duration(rapid.IntRange(0, 3).Draw(rt, "seconds"))*time.Second)
				}
				if depth == 0 {
					return asyncio.Sleep(ctx, time.Second)
				}
				inner := func(ctx context.Context) error { return nest(ctx, depth-1) }
				switch rapid.IntRange(0, 3).Draw(rt, "kind") {
				case 0:
					return asyncio.Timeout(ctx, time.Duration(rapid.IntRange(0, 3).Draw(rt, "limit"))*time.Second, inner)
				case 1:
					return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
						g.Go(inner)
						return nil
					})
				default:
					var s asyncio.CancelScope
					s.SetShield(rapid.Bool().Draw(rt, "shield"))
					l.CallLater(time.Duration(rapid.IntRange(0, 5).Draw(rt, "cancel"))*time.Second, s.Cancel)
					return s.Run(ctx, inner)
				}
			}
			err := nest(ctx, 4)
			var timeout *asyncio.TimeoutError
			if err != nil && !errors.As(err, &timeout) {
				return err
			}
			if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
				return errors.New("the task counts as cancelled")
			}
			return asyncio.Sleep(ctx, time.Second)
		})
	})
}
