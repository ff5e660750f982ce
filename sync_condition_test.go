package asyncio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// waitOn starts a task that waits on c and counts when it was notified.
func waitOn(ctx context.Context, c *asyncio.Condition, notified *int) *asyncio.Task[struct{}] {
	return asyncio.Go(ctx, func(ctx context.Context) error {
		return c.With(ctx, func(ctx context.Context) error {
			err := c.Wait(ctx)
			if err == nil {
				*notified++
			}
			return err
		})
	})
}

func notify(t *testing.T, ctx context.Context, c *asyncio.Condition, n int) {
	t.Helper()
	if err := c.With(ctx, func(context.Context) error { c.Notify(n); return nil }); err != nil {
		t.Error(err)
	}
}

func TestNotifyWakesSoMany(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var c asyncio.Condition
		n := 0
		for range 5 {
			waitOn(ctx, &c, &n)
		}
		turns(ctx, 2)
		notify(t, ctx, &c, 2)
		turns(ctx, 10)
		if n != 2 {
			t.Errorf("%d were woken, not 2", n)
		}
		_ = c.With(ctx, func(context.Context) error { c.NotifyAll(); return nil })
		turns(ctx, 10)
		if n != 5 || c.Locked() {
			t.Errorf("%d were woken, not 5", n)
		}
	})
}

// A task is notified and cancelled before it has run. CPython: gh-112202.
func TestNotifyIsNotLostWhenItsReceiverIsCancelled(t *testing.T) {
	for _, when := range []struct {
		name  string
		turns int
	}{{"before it runs", 0}, {"while it takes the lock", 1}} {
		t.Run(when.name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var c asyncio.Condition
				n := 0
				first, second := waitOn(ctx, &c, &n), waitOn(ctx, &c, &n)
				turns(ctx, 2)
				_ = c.Acquire(ctx)
				c.Notify(1)
				turns(ctx, when.turns)
				first.CancelCause(errors.New("go"))
				turns(ctx, 2)
				c.Release()
				_, err := first.Await(ctx)
				wantCancelled(t, err, "go")
				if _, err := second.Await(ctx); err != nil || n != 1 || c.Locked() {
					t.Errorf("second: %v, %d woken", err, n)
				}
			})
		})
	}
}

func TestWaitHoldsTheLockAgainWhenItWasCancelled(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var c asyncio.Condition
		waiting := asyncio.Go(ctx, func(ctx context.Context) error {
			_ = c.Acquire(ctx)
			err := c.Wait(ctx)
			if !c.Locked() {
				t.Error("the lock is not held")
			}
			c.Release()
			return err
		})
		turns(ctx, 1)
		_ = c.Acquire(ctx)
		waiting.CancelCause(errors.New("one"))
		turns(ctx, 2)
		waiting.CancelCause(errors.New("two")) // while it waits for the lock
		turns(ctx, 2)
		if waiting.Done() {
			t.Error("it returned without the lock")
		}
		c.Release()
		_, err := waiting.Await(ctx)
		wantCancelled(t, err, "two")
		if c.Locked() {
			t.Error("locked in the end")
		}
	})
}

func TestTheEndOfADerivedContextEndsTheWaitOnAConditionWithTheLockHeld(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		var c asyncio.Condition
		derived, cancel := context.WithCancel(ctx)
		waiting := asyncio.Go(ctx, func(context.Context) error {
			return c.With(derived, c.Wait)
		})
		turns(ctx, 1)
		_ = c.Acquire(ctx)
		cancel()
		turns(ctx, 2)
		c.Release()
		_, err := waiting.Await(ctx)
		wantErr(t, err, context.Canceled)
		if c.Locked() {
			t.Error("locked in the end")
		}
	})
}

func TestWaitForLooksAgainAfterEachNotify(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		lock := asyncio.NewLock()
		c := asyncio.NewConditionOf(lock)
		n := 0
		waiting := asyncio.Go(ctx, func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error {
				return c.WaitFor(ctx, func() bool { return n >= 2 })
			})
		})
		for range 2 {
			turns(ctx, 3)
			if waiting.Done() {
				t.Error("too early")
			}
			n++
			notify(t, ctx, c, 1)
		}
		if _, err := waiting.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestUsingAConditionWithoutItsLockIsMisuse(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		c := asyncio.NewCondition()
		wantErr(t, c.Wait(ctx), asyncio.ErrNotAcquired)
		wantMisuse(t, asyncio.ErrNotAcquired, func() { c.Notify(1) })
		wantMisuse(t, asyncio.ErrNotAcquired, c.NotifyAll)
		wantMisuse(t, asyncio.ErrNotAcquired, c.Release)
	})
}

// Tasks share a token by way of a condition, announce it to one when they give
// it back, and are cancelled at random. Nobody who was not cancelled waits for
// ever.
func TestConditionLosesNoNotifyUnderRandomCancels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := random{rt}
		holds(rt, func(ctx context.Context) error {
			c := asyncio.NewCondition()
			free := true
			giveBack := func(context.Context) error {
				free = true
				c.Notify(1)
				return nil
			}
			err := cancelRandomly(ctx, r, func(ctx context.Context) error {
				err := c.With(ctx, func(ctx context.Context) error {
					err := c.WaitFor(ctx, func() bool { return free })
					if err == nil {
						free = false
					}
					return err
				})
				if err != nil {
					return err
				}
				err = asyncio.Sleep(ctx, r.delay())
				for c.With(ctx, giveBack) != nil { // cancelled meanwhile
				}
				return err
			})
			if err == nil && (c.Locked() || !free) {
				err = errors.New("locked in the end, or the token is lost")
			}
			return err
		})
	})
}
