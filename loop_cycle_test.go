package asyncio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestTasksThatAwaitEachOtherCanBeCancelled(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		var a, b *asyncio.Task[struct{}]
		a = asyncio.Go(ctx, func(ctx context.Context) error { _, err := b.Await(ctx); return err })
		b = asyncio.Go(ctx, func(ctx context.Context) error { _, err := a.Await(ctx); return err })
		if err := asyncio.Sleep(ctx, 1); err != nil {
			return err
		}
		a.CancelCause(errors.New("enough"))
		for _, x := range []*asyncio.Task[struct{}]{a, b} {
			if _, err := x.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("a task of the cycle gave %v", err)
			}
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}
