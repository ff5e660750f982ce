package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// bench runs body in a task on the loop that programs use.
func bench(b *testing.B, body func(ctx context.Context)) {
	b.ReportAllocs()
	inRealTime(b, body)
}

func BenchmarkLockFree(b *testing.B) {
	bench(b, func(ctx context.Context) {
		var l asyncio.Lock
		for b.Loop() {
			_ = l.Acquire(ctx)
			l.Release()
		}
	})
}

func BenchmarkLockContended(b *testing.B) {
	bench(b, func(ctx context.Context) {
		var l asyncio.Lock
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				if err := l.Acquire(ctx); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				l.Release()
			}
		})
		for b.Loop() {
			_ = l.Acquire(ctx)
			_ = asyncio.Sleep(ctx, 0)
			l.Release()
		}
		other.Cancel()
	})
}

func BenchmarkQueueBounded(b *testing.B) {
	bench(b, func(ctx context.Context) {
		q := asyncio.NewQueue[int](64)
		asyncio.Go(ctx, func(ctx context.Context) error {
			for _, err := range q.All(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		for b.Loop() {
			_ = q.Put(ctx, 1)
		}
		q.Shutdown(true)
	})
}

func BenchmarkGather100(b *testing.B) {
	bench(b, func(ctx context.Context) {
		for b.Loop() {
			aws := make([]asyncio.Awaiter[int], 100)
			for i := range aws {
				aws[i] = asyncio.CreateTask(ctx, func(context.Context) (int, error) { return i, nil })
			}
			_, _ = asyncio.Gather(ctx, aws...)
		}
	})
}

func BenchmarkGroup100(b *testing.B) {
	bench(b, func(ctx context.Context) {
		for b.Loop() {
			_ = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for range 100 {
					g.Go(func(context.Context) error { return nil })
				}
				return nil
			})
		}
	})
}

func BenchmarkTimeout(b *testing.B) {
	bench(b, func(ctx context.Context) {
		for b.Loop() {
			_ = asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
				return asyncio.Sleep(ctx, 0)
			})
		}
	})
}

func BenchmarkWaitFor(b *testing.B) {
	bench(b, func(ctx context.Context) {
		l := loopOf(ctx)
		for b.Loop() {
			f := asyncio.NewFuture[int](l)
			l.CallSoon(func() { _ = f.SetResult(1) })
			_, _ = asyncio.WaitFor(ctx, time.Hour, f)
		}
	})
}

func BenchmarkWait100(b *testing.B) {
	bench(b, func(ctx context.Context) {
		for b.Loop() {
			aws := make([]asyncio.Awaitable, 100)
			for i := range aws {
				aws[i] = asyncio.CreateTask(ctx, func(context.Context) (int, error) { return i, nil })
			}
			_, _, _ = asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, aws...)
		}
	})
}
