package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestGatherGivesTheResultsInTheOrderGiven(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		got, err := asyncio.Gather[string](ctx,
			after(ctx, 3*time.Second, "a"), after(ctx, time.Second, "b"), after(ctx, 2*time.Second, "c"))
		if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(got, want) || now(ctx) != 3*time.Second {
			t.Error(got, err, now(ctx))
		}
	})
}

func TestGatherOfWhatHasEndedCostsNoTurn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		task := after(ctx, 0, 4)
		turns(ctx, 3)
		ran := false
		loopOf(ctx).CallSoon(func() { ran = true })
		got, err := asyncio.Gather[int](ctx, task, task)
		none, err2 := asyncio.Gather[int, *asyncio.Task[int]](ctx)
		if ran || err != nil || err2 != nil || !slices.Equal(got, []int{4, 4}) || len(none) != 0 {
			t.Error(ran, got, err, none, err2)
		}
	})
}

func TestGatherFailsWithTheFirstAndLetsTheOthersGoOn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		other := after(ctx, 2*time.Second, 1)
		_, err := asyncio.Gather[int](ctx, other, failAfter(ctx, time.Second, errBoom))
		wantErr(t, err, errBoom)
		if other.Done() || now(ctx) != time.Second {
			t.Error("the other has ended")
		}
		if v, err := other.Await(ctx); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestGatherOfOneThatWasCancelledFailsAndIsNotCancelled(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		one := after(ctx, time.Hour, 1)
		turns(ctx, 1)
		all := asyncio.GatherFuture(loopOf(ctx), one)
		one.CancelCause(errors.New("alone"))
		_, err := all.Await(ctx)
		wantCancelled(t, err, "alone")
		if all.Cancelled() {
			t.Error("cancelled")
		}
	})
}

func TestGatherSettledGivesWhatBecameOfEach(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		cancelled := after(ctx, time.Hour, 1)
		cancelled.CancelCause(errors.New("why"))
		got, err := asyncio.GatherSettled[int](ctx, failAfter(ctx, time.Second, errBoom), cancelled, after(ctx, 0, 7))
		if err != nil || len(got) != 3 || got[0].Err != errBoom || got[2].Err != nil || got[2].Value != 7 {
			t.Fatal(got, err)
		}
		wantCancelled(t, got[1].Err, "why")
	})
}

func TestGatherAwaitsOnceWhatIsGivenTwice(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		a, b := after(ctx, time.Second, 1), after(ctx, time.Second, 2)
		got, err := asyncio.Gather[int](ctx, a, b, a, a)
		if err != nil || !slices.Equal(got, []int{1, 2, 1, 1}) {
			t.Error(got, err)
		}
	})
}

func TestCancellingAGatherCancelsAllAndWaitsForThem(t *testing.T) {
	for _, settled := range []bool{false, true} {
		t.Run(fmt.Sprintf("settled %v", settled), func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				slow := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					_ = asyncio.Sleep(ctx, time.Hour)
					return 0, asyncio.Sleep(ctx, time.Second)
				})
				quick := after(ctx, time.Hour, 1)
				outer := asyncio.Go(ctx, func(ctx context.Context) (err error) {
					if settled {
						_, err = asyncio.GatherSettled[int](ctx, slow, quick)
					} else {
						_, err = asyncio.Gather[int](ctx, slow)
					}
					return err
				})
				turns(ctx, 3)
				outer.CancelCause(errors.New("message"))
				_, err := outer.Await(ctx)
				wantCancelled(t, err, "message")
				if !slow.Done() || now(ctx) != time.Second || settled && !quick.Cancelled() {
					t.Error("it did not wait for them")
				}
			})
		})
	}
}

func TestGatherFutureTakesMixedTypes(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		l := loopOf(ctx)
		f := asyncio.NewFuture[string](l)
		all := asyncio.GatherFuture(l, after(ctx, time.Second, 1), f)
		_ = f.SetResult("s")
		got, err := all.Await(ctx)
		if err != nil || !slices.Equal(got, []any{1, "s"}) {
			t.Error(got, err)
		}
		settled, err := asyncio.GatherSettledFuture(l, f, failAfter(ctx, 0, errBoom)).Await(ctx)
		if err != nil || settled[0].Value != "s" || settled[1].Err != errBoom || settled[1].Value != nil {
			t.Error(settled, err)
		}
		if none, err := asyncio.GatherFuture(l).Result(); err != nil || len(none) != 0 {
			t.Error(none, err)
		}
	})
}

func TestGatherOfAnotherLoopIsAnError(t *testing.T) {
	other, err := asyncio.NewLoop(asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f := asyncio.NewFuture[int](other)
	inVirtualTime(t, func(ctx context.Context) {
		_, err := asyncio.Gather[int](ctx, f)
		wantErr(t, err, asyncio.ErrWrongLoop)
		wantErr(t, asyncio.GatherFuture(loopOf(ctx), f).Err(), asyncio.ErrWrongLoop)
		_, _, err = asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, f)
		wantErr(t, err, asyncio.ErrWrongLoop)
		_, err = asyncio.WaitFor(ctx, time.Second, f)
		wantErr(t, err, asyncio.ErrWrongLoop)
		_, err = asyncio.WaitFor(ctx, 0, f)
		wantErr(t, err, asyncio.ErrWrongLoop)
		_, err = asyncio.Shield(ctx, f)
		wantErr(t, err, asyncio.ErrWrongLoop)
		for aw, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, f) {
			if aw != nil {
				t.Error(aw)
			}
			wantErr(t, err, asyncio.ErrWrongLoop)
		}
	})
}

func TestTheEndOfADerivedContextEndsAGatherAndCancelsWhatItAwaits(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		one := after(ctx, time.Hour, 1)
		loopOf(ctx).CallSoon(func() { loopOf(ctx).CallSoon(cancel) })
		_, err := asyncio.Gather[int](derived, one)
		if err != context.Canceled {
			t.Error(err)
		}
		_, err = one.Await(ctx)
		wantCancelled(t, err, "")
	})
}

func TestErrorsOfAGatherThatHasFailedAreNotReported(t *testing.T) {
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) { t.Errorf("%s: %v", c.Message, c.Err) }
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		_, err := asyncio.Gather[int](ctx, failAfter(ctx, 0, errBoom), failAfter(ctx, time.Second, errors.New("second")))
		wantErr(t, err, errBoom)
		return asyncio.Sleep(ctx, 2*time.Second)
	}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(handler))
	if err != nil {
		t.Error(err)
	}
}

// CPython goes round until it has no stack left.
func TestCancellingTasksThatGatherEachOtherEndsThem(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var a, b *asyncio.Task[struct{}]
		a = asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := asyncio.Gather[struct{}](ctx, a, b)
			return err
		})
		b = asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := asyncio.Gather[struct{}](ctx, a)
			return err
		})
		turns(ctx, 2)
		a.CancelCause(errors.New("stop"))
		for _, task := range []*asyncio.Task[struct{}]{a, b} {
			_, err := asyncio.WaitFor(ctx, time.Second, task)
			wantCancelled(t, err, "stop")
		}
	})
}
