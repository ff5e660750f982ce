package asyncio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestEventWakesAllThatWaitInOrder(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		e := asyncio.NewEvent()
		var got []int
		for i := range 3 {
			asyncio.Go(ctx, func(ctx context.Context) error {
				err := e.Wait(ctx)
				got = append(got, i)
				return err
			})
		}
		turns(ctx, 1)
		e.Set()
		if !e.IsSet() || len(got) != 0 {
			t.Error("a waiter ran inside Set")
		}
		turns(ctx, 1)
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Error(got)
		}
	})
}

func TestEventThatIsClearedAtOnceStillWakesThoseWhoWaited(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var e asyncio.Event
		waiter := asyncio.Go(ctx, e.Wait)
		turns(ctx, 1)
		e.Set()
		e.Clear()
		if _, err := waiter.Await(ctx); err != nil || e.IsSet() {
			t.Error(err)
		}
	})
}

func TestCancelledWaiterLeavesTheEvent(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var e asyncio.Event
		waiter := asyncio.Go(ctx, e.Wait)
		turns(ctx, 1)
		waiter.CancelCause(errors.New("enough"))
		_, err := waiter.Await(ctx)
		wantCancelled(t, err, "enough")
		e.Set()
		if err := e.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}
