package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestATimerMayBeCancelledAfterItsLoopWasClosed(t *testing.T) {
	var timers []*asyncio.TimerHandle
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.GetRunningLoop(ctx)
		for i := range 3 {
			timers = append(timers, loop.CallLater(time.Duration(i+1)*time.Hour, func() {}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range timers {
		h.Cancel()
	}
}
