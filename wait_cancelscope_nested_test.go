package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// scoped runs body in s and reports an error where that leaves one.
func scoped(t *testing.T, ctx context.Context, s *asyncio.CancelScope, body func(ctx context.Context) error) {
	t.Helper()
	if err := s.Run(ctx, body); err != nil {
		t.Errorf("the scope gave %v", err)
	}
}

// pause is a wait that has to wait for nothing but its turn.
func pause(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }

func TestWhatTwoScopesCancelIsCaughtByTheOuterOne(t *testing.T) {
	for name, order := range map[string]func(ctx context.Context, outer, inner *asyncio.CancelScope) error{
		"the outer first": func(ctx context.Context, outer, inner *asyncio.CancelScope) error {
			outer.Cancel()
			return inner.Run(ctx, func(ctx context.Context) error {
				inner.Cancel()
				return asyncio.Sleep(ctx, time.Hour)
			})
		},
		"the inner first": func(ctx context.Context, outer, inner *asyncio.CancelScope) error {
			return inner.Run(ctx, func(ctx context.Context) error {
				inner.Cancel()
				err := pause(ctx)
				outer.Cancel()
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var outer, inner asyncio.CancelScope
				scoped(t, ctx, &outer, func(ctx context.Context) error {
					err := order(ctx, &outer, &inner)
					if !asyncio.IsCancelled(err) {
						t.Errorf("the inner scope gave %v: what comes after it would run", err)
					}
					return err
				})
				if inner.Caught() || !outer.Caught() || asyncio.CurrentTask(ctx).Cancelling() != 0 {
					t.Errorf("inner %v, outer %v, %d left", inner.Caught(), outer.Caught(), asyncio.CurrentTask(ctx).Cancelling())
				}
			})
		})
	}
}

func TestAShieldedScopeCatchesItsOwnCancellationInACancelledOne(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, inner asyncio.CancelScope
		inner.SetShield(true)
		between := false
		scoped(t, ctx, &outer, func(ctx context.Context) error {
			scoped(t, ctx, &inner, func(ctx context.Context) error {
				inner.Cancel()
				err := pause(ctx)
				outer.Cancel()
				return err
			})
			between = true
			return nil
		})
		if !between || !inner.Caught() || outer.Caught() {
			t.Errorf("between %v, inner %v, outer %v", between, inner.Caught(), outer.Caught())
		}
	})
}

func TestTheDeadlineOfAnOuterScopeEndsTheInnerOnes(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			inner, err := asyncio.MoveOnAfter(ctx, 10*time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			if inner || !asyncio.IsCancelled(err) {
				t.Errorf("inner %v, %v", inner, err)
			}
			return err
		})
		if !ended || err != nil || now(ctx) != time.Second {
			t.Errorf("%v, %v at %v", ended, err, now(ctx))
		}
	})
}

func TestFailAfterInAScopeThatIsCancelledIsNoTimeout(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, middle asyncio.CancelScope
		loopOf(ctx).CallLater(time.Second, outer.Cancel)
		scoped(t, ctx, &outer, func(ctx context.Context) error {
			return middle.Run(ctx, func(ctx context.Context) error {
				err := asyncio.FailAfter(ctx, time.Minute, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				if !asyncio.IsCancelled(err) {
					t.Errorf("FailAfter gave %v", err)
				}
				return err
			})
		})
		if !outer.Caught() || middle.Caught() || now(ctx) != time.Second {
			t.Errorf("outer %v, middle %v at %v", outer.Caught(), middle.Caught(), now(ctx))
		}
	})
}

func TestATimeoutUnderAShieldPassesACancelledScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, shield asyncio.CancelScope
		shield.SetShield(true)
		loopOf(ctx).CallLater(time.Second, outer.Cancel)
		err := outer.Run(ctx, func(ctx context.Context) error {
			return shield.Run(ctx, func(ctx context.Context) error {
				return asyncio.FailAfter(ctx, 5*time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			})
		})
		wantTimeout(t, err)
		if now(ctx) != 5*time.Second || outer.Caught() || !outer.Cancelled() {
			t.Errorf("at %v, caught %v", now(ctx), outer.Caught())
		}
	})
}

// Two scopes are cancelled under a shield. Each tells what is outside of the shield,
// the outer one also what is outside of the inner one.
func TestCancellationsUnderAShieldWaitOutsideOfIt(t *testing.T) {
	for _, both := range []bool{true, false} {
		t.Run(fmt.Sprint("both ", both), func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var first, second, shield asyncio.CancelScope
				shield.SetShield(true)
				scoped(t, ctx, &first, func(ctx context.Context) error {
					err := second.Run(ctx, func(ctx context.Context) error {
						scoped(t, ctx, &shield, func(ctx context.Context) error {
							first.Cancel()
							if both {
								second.Cancel()
							}
							return pause(ctx)
						})
						if both {
							return nil
						}
						return pause(ctx)
					})
					if both && err != nil || !both && !asyncio.IsCancelled(err) {
						t.Errorf("the second scope gave %v", err)
					}
					if err := pause(ctx); !asyncio.IsCancelled(err) {
						t.Errorf("a wait in the first scope gave %v", err)
					}
					return err
				})
			})
		})
	}
}

func TestAScopeThatIsCancelledAndHasNoMoreWaitsCatchesNothing(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		scoped(t, ctx, &s, func(context.Context) error { s.Cancel(); return nil })
		if !s.Cancelled() || s.Caught() {
			t.Errorf("cancelled %v, caught %v", s.Cancelled(), s.Caught())
		}
		if err := pause(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestOneTaskIsCancelledByOneScopeAfterAnother(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for range 3 {
			var s asyncio.CancelScope
			loopOf(ctx).CallLater(time.Second, s.Cancel)
			scoped(t, ctx, &s, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			if !s.Caught() {
				t.Error("it was not cancelled")
			}
		}
		if now(ctx) != 3*time.Second {
			t.Error(now(ctx))
		}
		var s asyncio.CancelScope
		scoped(t, ctx, &s, func(ctx context.Context) error {
			_, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			s.Cancel()
			return err
		})
	})
}

func TestAnErrorThatHoldsCancellationsAloneIsCaught(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var caught, other asyncio.CancelScope
		scoped(t, ctx, &caught, func(ctx context.Context) error {
			caught.Cancel()
			return &asyncio.GroupError{Errors: []error{fmt.Errorf("wrapped: %w", pause(ctx)), errors.Join(pause(ctx))}}
		})
		if !caught.Caught() {
			t.Error("it was not caught")
		}
		// Beside another error nothing is taken out of it.
		err := other.Run(ctx, func(ctx context.Context) error {
			other.Cancel()
			return errors.Join(errBoom, pause(ctx))
		})
		if !errors.Is(err, errBoom) || !errors.Is(err, context.Canceled) || other.Caught() {
			t.Errorf("%v, caught %v", err, other.Caught())
		}
	})
}

// anyio calls it a checkpoint: what has nothing to wait for is told nothing.
func TestWhatNeedNotWaitSucceedsInACancelledScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		q.PutNowait(7)
		var s asyncio.CancelScope
		scoped(t, ctx, &s, func(ctx context.Context) error {
			s.Cancel()
			if n, err := q.Get(ctx); n != 7 || err != nil {
				t.Errorf("an item that is there: %d, %v", n, err)
			}
			_, err := q.Get(ctx)
			return err
		})
		if !s.Caught() {
			t.Error("a Get that had to wait was not told")
		}
	})
}
