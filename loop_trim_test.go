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

// A loop that holds a million coroutines is to have given them back after ten
// seconds: some of them after one, when it has seen that they are not used, and at
// more than a hundred a millisecond then.
func TestLoopGivesAHundredCoroutinesBackInAMillisecond(t *testing.T) {
	before := runtime.NumGoroutine()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		tasks := make([]*asyncio.Task[struct{}], 7500)
		for i := range tasks {
			tasks[i] = asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
		}
		if _, err := asyncio.Gather(ctx, tasks...); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 1200*time.Millisecond); err != nil {
			return err
		}
		if after := runtime.NumGoroutine(); after > before+400 {
			t.Errorf("%d goroutines before, %d after 200 ms", before, after)
		}
		return nil
	}, asyncio.WithClock(asyncio.NewClock()))
	if err != nil {
		t.Fatal(err)
	}
}

// What other goroutines have sent at once needs memory for that moment only.
func TestLoopGivesTheRoomOfABurstFromOutsideBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		held := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		l := loopOf(ctx)
		l.CallSoonThreadsafe(func() {})
		asyncio.Sleep(ctx, 0)
		before := held()
		const n = 300_000
		ran := 0
		for range n { // it has no turn meanwhile
			l.CallSoonThreadsafe(func() { ran++ })
		}
		for ran < n {
			asyncio.Sleep(ctx, 0)
		}
		for range 20000 { // the ready queue gives its room back in time
			asyncio.Sleep(ctx, 0)
		}
		if after := held(); after > before+2<<20 {
			t.Errorf("%d bytes before, %d after", before, after)
		}
	})
}
