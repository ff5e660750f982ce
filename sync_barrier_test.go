package asyncio_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// arrive starts n tasks that come to b, and returns the places they got and the
// errors.
func arrive(ctx context.Context, b *asyncio.Barrier, n int) (places []int, errs []error) {
	var all []asyncio.Awaiter[int]
	for range n {
		all = append(all, asyncio.CreateTask(ctx, b.Wait))
	}
	outcomes, err := asyncio.GatherSettled(ctx, all...)
	if err != nil {
		return nil, []error{err}
	}
	for _, o := range outcomes {
		if o.Err != nil {
			errs = append(errs, o.Err)
		} else {
			places = append(places, o.Value)
		}
	}
	return places, errs
}

func TestBarrierLetsAllGoWhenTheLastHasCome(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(3)
		for range 2 { // it serves again
			first := asyncio.CreateTask(ctx, b.Wait)
			second := asyncio.CreateTask(ctx, b.Wait)
			_ = asyncio.Sleep(ctx, time.Second)
			if first.Done() || b.Waiting() != 2 || b.Parties() != 3 {
				t.Errorf("%d wait", b.Waiting())
			}
			i, err := b.Wait(ctx)
			j, err1 := first.Await(ctx)
			k, err2 := second.Await(ctx)
			if got := []int{i, j, k}; !slices.Equal(got, []int{2, 0, 1}) || err != nil || err1 != nil || err2 != nil {
				t.Error(got, err, err1, err2)
			}
		}
	})
}

func TestMoreThanTheBarrierTakesWaitForTheNextTime(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(2)
		places, errs := arrive(ctx, b, 6)
		if want := []int{0, 1, 0, 1, 0, 1}; !slices.Equal(places, want) || len(errs) != 0 {
			t.Error(places, errs)
		}
	})
}

func TestAbortBreaksTheBarrierAndResetMakesItWhole(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(2)
		waiting := asyncio.CreateTask(ctx, b.Wait)
		turns(ctx, 1)
		if err := b.Abort(ctx); err != nil || !b.Broken() {
			t.Error(err)
		}
		_, err := waiting.Await(ctx)
		wantErr(t, err, asyncio.ErrBrokenBarrier)
		_, err = b.Wait(ctx)
		wantErr(t, err, asyncio.ErrBrokenBarrier)
		if err := b.Reset(ctx); err != nil || b.Broken() {
			t.Error(err)
		}
		if places, errs := arrive(ctx, b, 2); len(places) != 2 {
			t.Error(places, errs)
		}
		for name, change := range map[string]func(context.Context) error{"Abort": b.Abort, "Reset": b.Reset} {
			if err := change(context.Background()); !errors.Is(err, asyncio.ErrNoRunningLoop) || b.Broken() {
				t.Errorf("%s without a loop: %v", name, err)
			}
		}
	})
}

func TestResetSendsAwayThoseWhoWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(3)
		waiting := asyncio.CreateTask(ctx, b.Wait)
		turns(ctx, 1)
		_ = b.Reset(ctx)
		_, err := waiting.Await(ctx)
		wantErr(t, err, asyncio.ErrBrokenBarrier)
		if b.Broken() || b.Waiting() != 0 {
			t.Error("it is not as new")
		}
	})
}

func TestOneWhoIsCancelledLeavesTheBarrier(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(2)
		waiting := asyncio.CreateTask(ctx, b.Wait)
		turns(ctx, 1)
		waiting.CancelCause(errors.New("bye"))
		_, err := waiting.Await(ctx)
		wantCancelled(t, err, "bye")
		if places, errs := arrive(ctx, b, 2); !slices.Equal(places, []int{0, 1}) {
			t.Error(places, errs)
		}
	})
}
