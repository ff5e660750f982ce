package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

func TestLockIsGivenInTheOrderOfAsking(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		var got []int
		var all []asyncio.Awaiter[struct{}]
		for i := range 5 {
			all = append(all, asyncio.Go(ctx, func(ctx context.Context) error {
				return l.With(ctx, func(ctx context.Context) error {
					got = append(got, i)
					return asyncio.Sleep(ctx, time.Second)
				})
			}))
		}
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Error(err)
		}
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) || now(ctx) != 5*time.Second || l.Locked() {
			t.Errorf("got %v at %v, locked %v", got, now(ctx), l.Locked())
		}
	})
}

func TestTakingAFreeLockCostsNoTurn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		ran := false
		loopOf(ctx).CallSoon(func() { ran = true })
		l := asyncio.NewLock()
		if err := l.Acquire(ctx); err != nil || ran || !l.Locked() {
			t.Errorf("%v, ran %v", err, ran)
		}
		l.Release()
	})
}

// A release wakes a waiter, and the waiter is cancelled before it has run.
// CPython: bpo-27585, bpo-32734, gh-111693.
func TestCancelledWaiterDoesNotEatTheLocksWakeUp(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		if err := l.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
		first := asyncio.Go(ctx, l.Acquire)
		second := asyncio.Go(ctx, l.Acquire)
		turns(ctx, 1)
		l.Release()
		first.CancelCause(errors.New("stop"))
		_, err := first.Await(ctx)
		wantCancelled(t, err, "stop")
		if _, err := second.Await(ctx); err != nil || !l.Locked() {
			t.Errorf("second: %v, locked %v", err, l.Locked())
		}
	})
}

func TestCancelledWaiterAheadDoesNotHoldUpTheOthers(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		_ = l.Acquire(ctx)
		first := asyncio.Go(ctx, l.Acquire)
		second := asyncio.Go(ctx, l.Acquire)
		turns(ctx, 1)
		first.Cancel()
		l.Release()
		if _, err := second.Await(ctx); err != nil || !first.Cancelled() {
			t.Errorf("second: %v, first cancelled %v", err, first.Cancelled())
		}
	})
}

func TestNobodyGetsALockAheadOfOneThatWasWoken(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		_ = l.Acquire(ctx)
		var order []string
		waiter := asyncio.Go(ctx, func(ctx context.Context) error {
			return l.With(ctx, func(context.Context) error { order = append(order, "waiter"); return nil })
		})
		turns(ctx, 1)
		l.Release()
		_ = l.With(ctx, func(context.Context) error { order = append(order, "late"); return nil })
		_, _ = waiter.Await(ctx)
		if !slices.Equal(order, []string{"waiter", "late"}) {
			t.Error(order)
		}
	})
}

func TestReleasingAnOpenLockIsMisuse(t *testing.T) {
	var l asyncio.Lock
	wantMisuse(t, asyncio.ErrNotAcquired, l.Release)
	inVirtualTime(t, func(ctx context.Context) {
		err := l.With(ctx, func(context.Context) error { l.Release(); return errBoom })
		wantErr(t, err, asyncio.ErrNotAcquired)
	})
}

func TestLockIsReleasedWhenItsBodyPanics(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return l.With(ctx, func(context.Context) error { panic(errBoom) })
		})
		_, err := task.Await(ctx)
		wantErr(t, err, errBoom)
		if l.Locked() {
			t.Error("still locked")
		}
	})
}

func TestTheEndOfADerivedContextEndsTheWaitForALockAndPassesItOn(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		var l asyncio.Lock
		_ = l.Acquire(ctx)
		derived, cancel := context.WithCancelCause(ctx)
		first := asyncio.Go(ctx, func(context.Context) error {
			return l.Acquire(derived)
		})
		second := asyncio.Go(ctx, l.Acquire)
		turns(ctx, 1)
		cancel(errBoom)
		_, err := first.Await(ctx)
		wantErr(t, err, context.Canceled)
		if asyncio.IsCancelled(err) {
			t.Error("the end of a context is no cancellation of the task")
		}
		l.Release()
		if _, err := second.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestALockBelongsToTheLoopWhereItWasFirstWaitedFor(t *testing.T) {
	var l asyncio.Lock
	contend := func(ctx context.Context) error {
		if err := l.Acquire(ctx); err != nil {
			return err
		}
		defer l.Release()
		waiter := asyncio.Go(ctx, l.Acquire)
		turns(ctx, 2)
		waiter.Cancel()
		turns(ctx, 1)
		return waiter.Err()
	}
	first := asyncio.Run(t.Context(), contend, asyncio.WithVirtualClock())
	if !asyncio.IsCancelled(first) {
		t.Error(first)
	}
	wantErr(t, asyncio.Run(t.Context(), contend, asyncio.WithVirtualClock()), asyncio.ErrWrongLoop)
}

func TestOutsideOfALoopLocksGiveAnError(t *testing.T) {
	wantErr(t, asyncio.NewLock().Acquire(t.Context()), asyncio.ErrNoRunningLoop)
}

// Tasks come, hold and are cancelled at random; the lock never has two holders
// and nobody who was not cancelled is left without it.
func TestLockLosesNoWakeUpUnderRandomCancels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := random{rt}
		holds(rt, func(ctx context.Context) error {
			var l asyncio.Lock
			holders := 0
			err := cancelRandomly(ctx, r, func(ctx context.Context) error {
				return l.With(ctx, func(ctx context.Context) error {
					holders++
					defer func() { holders-- }()
					if holders != 1 {
						return fmt.Errorf("%d hold the lock", holders)
					}
					return asyncio.Sleep(ctx, r.delay())
				})
			})
			if err == nil && l.Locked() {
				err = errors.New("locked in the end")
			}
			return err
		})
	})
}
