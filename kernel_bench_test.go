package asyncio_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// Each benchmark stands beside what goroutines and channels need for the same,
// so that the ratio comes out of one run. GOMAXPROCS is 1 in all.

func onOneProcessor(b *testing.B) {
	old := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(old) })
	b.ReportAllocs()
}

func inLoop(b *testing.B, body func(ctx context.Context)) {
	onOneProcessor(b)
	err := asyncio.Run(b.Context(), func(ctx context.Context) error {
		body(ctx)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCallSoon(b *testing.B) {
	inLoop(b, func(ctx context.Context) {
		l := must(asyncio.GetRunningLoop(ctx))
		done := asyncio.NewFuture[struct{}](l)
		left := b.N
		var next func()
		next = func() {
			if left--; left > 0 {
				l.CallSoon(next)
			} else {
				done.SetResult(struct{}{})
			}
		}
		l.CallSoon(next)
		done.Await(ctx)
	})
}

func BenchmarkSwitch(b *testing.B) {
	b.Run("Sleep0", func(b *testing.B) {
		inLoop(b, func(ctx context.Context) {
			turns := func(ctx context.Context) error {
				for range b.N / 2 {
					asyncio.Sleep(ctx, 0)
				}
				return nil
			}
			one, two := asyncio.Go(ctx, turns), asyncio.Go(ctx, turns)
			one.Await(ctx)
			two.Await(ctx)
		})
	})
	b.Run("Gosched", func(b *testing.B) {
		onOneProcessor(b)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range b.N / 2 {
					runtime.Gosched()
				}
			})
		}
		wg.Wait()
	})
}

func BenchmarkTask(b *testing.B) {
	b.Run("CreateTaskAwait", func(b *testing.B) {
		inLoop(b, func(ctx context.Context) {
			one := func(context.Context) (int, error) { return 1, nil }
			for range b.N {
				asyncio.CreateTask(ctx, one).Await(ctx)
			}
		})
	})
	b.Run("GoChan", func(b *testing.B) {
		onOneProcessor(b)
		for range b.N {
			c := make(chan int, 1)
			go func() { c <- 1 }()
			<-c
		}
	})
}
