package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/asyncio-go/asyncio"
)

func TestWaitReturnsWhenItShould(t *testing.T) {
	cases := []struct {
		when    asyncio.ReturnWhen
		timeout time.Duration
		done    int
		at      time.Duration
	}{
		{asyncio.AllCompleted, asyncio.NoTimeout, 3, 3 * time.Second},
		{asyncio.FirstCompleted, asyncio.NoTimeout, 1, time.Second},
		{asyncio.FirstException, asyncio.NoTimeout, 2, 2 * time.Second},
		{asyncio.AllCompleted, 1500 * time.Millisecond, 1, 1500 * time.Millisecond},
		{asyncio.AllCompleted, 0, 0, 0},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%v within %v", c.when, c.timeout), func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				aws := []asyncio.Awaitable{
					after(ctx, time.Second, "a"), failAfter(ctx, 2*time.Second, errBoom), after(ctx, 3*time.Second, 1)}
				done, pending, err := asyncio.Wait(ctx, c.when, c.timeout, aws...)
				if err != nil || !slices.Equal(done, aws[:c.done]) || !slices.Equal(pending, aws[c.done:]) || now(ctx) != c.at {
					t.Errorf("done %v, pending %v, %v at %v", done, pending, err, now(ctx))
				}
			})
		})
	}
}

func TestWaitGivesEachOnce(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		a, b := after(ctx, 0, 1), after(ctx, time.Hour, 2)
		done, pending, err := asyncio.Wait(ctx, asyncio.FirstCompleted, asyncio.NoTimeout, b, a, b, a)
		if err != nil || !slices.Equal(done, []*asyncio.Task[int]{a}) || !slices.Equal(pending, []*asyncio.Task[int]{b}) {
			t.Error(done, pending, err)
		}
	})
}

func TestWaitGivesEachOfManyOnce(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var aws []asyncio.Awaitable
		for i := range 20 {
			aws = append(aws, after(ctx, time.Duration(i)*time.Second, i))
		}
		done, pending, err := asyncio.Wait(ctx, asyncio.AllCompleted, 9*time.Second, append(aws, aws...)...)
		if err != nil || !slices.Equal(append(done, pending...), aws) {
			t.Error(len(done), len(pending), err)
		}
	})
}

func TestACancellationIsNoExceptionForWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		gone, failed := after(ctx, time.Hour, 1), failAfter(ctx, time.Second, errBoom)
		gone.Cancel()
		done, _, err := asyncio.Wait(ctx, asyncio.FirstException, asyncio.NoTimeout, gone, failed, after(ctx, time.Hour, 2))
		if err != nil || len(done) != 2 || now(ctx) != time.Second {
			t.Error(done, err, now(ctx))
		}
		wantErr(t, failed.Err(), errBoom)
	})
}

func TestCancelledWaitLeavesAloneWhatItWaitsFor(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		one := after(ctx, time.Second, 1)
		waiting := asyncio.Go(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, asyncio.AllCompleted, time.Hour, one)
			return err
		})
		turns(ctx, 2)
		waiting.CancelCause(errors.New("stop"))
		_, err := waiting.Await(ctx)
		wantCancelled(t, err, "stop")
		if v, err := one.Await(ctx); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestWaitRefusesWhatMakesNoSense(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		_, _, err := asyncio.Wait[asyncio.Awaitable](ctx, asyncio.AllCompleted, asyncio.NoTimeout)
		wantErr(t, err, asyncio.ErrNothingToWaitFor)
		if _, _, err := asyncio.Wait(ctx, 7, asyncio.NoTimeout, after(ctx, 0, 1)); err == nil {
			t.Error("there is no such ReturnWhen")
		}
	})
}

func TestAsCompletedGivesThemAsTheyEnd(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		a, b, c := after(ctx, 3*time.Second, 1), failAfter(ctx, time.Second, errBoom), after(ctx, 2*time.Second, "c")
		var got []asyncio.Awaitable
		for aw, err := range asyncio.AsCompleted[asyncio.Awaitable](ctx, asyncio.NoTimeout, a, b, a, c) {
			if err != nil || !aw.Done() {
				t.Error(err)
			}
			got = append(got, aw)
		}
		if !slices.Equal(got, []asyncio.Awaitable{b, c, a}) || now(ctx) != 3*time.Second {
			t.Error(got, now(ctx))
		}
	})
}

func TestAsCompletedEndsWithATimeout(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		quick, late := after(ctx, time.Second, 1), after(ctx, time.Hour, 2)
		var got []*asyncio.Task[int]
		var last error
		for aw, err := range asyncio.AsCompleted(ctx, 2*time.Second, late, quick) {
			got, last = append(got, aw), err
		}
		wantTimeout(t, last)
		if !slices.Equal(got, []*asyncio.Task[int]{quick, nil}) || late.Done() || now(ctx) != 2*time.Second {
			t.Error(got, now(ctx))
		}
	})
}

func TestAsCompletedMayBeLeftAndEndsWhenItsTaskIsCancelled(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for aw := range asyncio.AsCompleted(ctx, time.Hour, after(ctx, 0, 1), after(ctx, time.Hour, 2)) {
			if !aw.Done() {
				t.Error("not done")
			}
			break
		}
		for range asyncio.AsCompleted[asyncio.Awaitable](ctx, time.Hour) {
			t.Error("of nothing")
		}
		task := asyncio.Go(ctx, func(ctx context.Context) (last error) {
			for _, err := range asyncio.AsCompleted(ctx, time.Hour, after(ctx, time.Hour, 3)) {
				last = err
			}
			return last
		})
		turns(ctx, 2)
		task.CancelCause(errors.New("stop"))
		_, err := task.Await(ctx)
		wantCancelled(t, err, "stop")
	})
}

func TestShieldKeepsTheCancellationFromWhatItAwaits(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := after(ctx, time.Second, 7)
		outer := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.Shield(ctx, inner)
		})
		turns(ctx, 2)
		outer.CancelCause(errors.New("stop"))
		_, err := outer.Await(ctx)
		wantCancelled(t, err, "stop")
		if v, err := inner.Await(ctx); v != 7 || err != nil {
			t.Error(v, err)
		}
		if v, err := asyncio.Shield(ctx, inner); v != 7 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestShieldEndsAsWhatItAwaits(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		_, err := asyncio.Shield(ctx, failAfter(ctx, time.Second, errBoom))
		wantErr(t, err, errBoom)
		if v, err := asyncio.Shield(ctx, after(ctx, time.Second, 3)); v != 3 || err != nil {
			t.Error(v, err)
		}
		inner := after(ctx, time.Hour, 1)
		loopOf(ctx).CallLater(time.Second, func() { inner.CancelCause(errors.New("inner")) })
		_, err = asyncio.Shield(ctx, inner)
		wantCancelled(t, err, "inner")
	})
}

func TestShieldFutureMayBeCancelledAlone(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := after(ctx, time.Second, 7)
		first, second := asyncio.ShieldFuture(inner), asyncio.ShieldFuture(inner)
		first.Cancel()
		if v, err := second.Await(ctx); v != 7 || err != nil || !first.Cancelled() {
			t.Error(v, err)
		}
		if again := asyncio.ShieldFuture(inner); again != asyncio.Awaiter[int](inner) {
			t.Error("what has ended needs no shield")
		}
	})
}

func TestACancelledShieldIsNotKeptByWhatItShields(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := asyncio.NewFuture[int](loopOf(ctx))
		shield := asyncio.ShieldFuture(inner)
		kept := weak.Make(shield.(*asyncio.Future[int]))
		shield.Cancel()
		shield = nil
		turns(ctx, 2)
		collectGarbage()
		if kept.Value() != nil {
			t.Error("it is kept")
		}
		_ = inner.SetResult(1)
	})
}

// Whoever waited behind the shield has gone. CPython: bpo-46672, gh-89722: the
// task might be collected, and its failure was shown to nobody.
func TestShieldOrphanGoesOnAndItsFailureIsReported(t *testing.T) {
	var reported []error
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c.Err) }
	for _, when := range []time.Duration{time.Second, 2 * time.Second} { // in the turn of the cancellation, and later
		reported = nil
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			waiting := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.Shield(ctx, failAfter(ctx, when, errBoom))
			})
			loopOf(ctx).CallLater(time.Second, func() { waiting.Cancel() })
			_, err := waiting.Await(ctx)
			wantCancelled(t, err, "")
			collectGarbage()
			return asyncio.Sleep(ctx, time.Hour)
		}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(handler))
		if err != nil || !slices.Equal(reported, []error{errBoom}) {
			t.Errorf("inner failed after %v: reported %v, %v", when, reported, err)
		}
	}
}

func TestTheEndOfADerivedContextLeavesWhatIsShieldedAlone(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		f := asyncio.NewFuture[int](loopOf(ctx))
		loopOf(ctx).CallSoon(cancel)
		_, err := asyncio.Shield(derived, f)
		if err != context.Canceled || f.Done() {
			t.Error(err)
		}
	})
}
