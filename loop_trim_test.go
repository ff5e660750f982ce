package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestLoopGivesTheCoroutinesOfABurstBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		before := runtime.NumGoroutine()
		tasks := make([]*asyncio.Task[struct{}], 2000)
		for i := range tasks {
			tasks[i] = asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
		}
		if _, err := asyncio.Gather(ctx, tasks...); err != nil {
			t.Fatal(err)
		}
		err := asyncio.Timeout(ctx, 10*time.Second, func(ctx context.Context) error {
			for runtime.NumGoroutine() > before+400 {
				if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%d goroutines before, %d after: %v", before, runtime.NumGoroutine(), err)
		}
	})
}
