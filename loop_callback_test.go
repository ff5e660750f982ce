package asyncio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestPanicsInCallbacksGoToTheExceptionHandlerAndTheLoopGoesOn(t *testing.T) {
	var panics []any
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		var p *asyncio.PanicError
		if errors.As(c.Err, &p) {
			panics = append(panics, p.Value)
		}
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		l.CallSoon(func() { panic("first") })
		l.CallSoon(func() {})
		l.CallSoon(func() { panic("last of its turn") })
		return asyncio.Sleep(ctx, 1)
	}, asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(handler))
	if err != nil || !slices.Equal(panics, []any{"first", "last of its turn"}) {
		t.Fatal(panics, err)
	}
}
