package goroutine

import (
	"context"
	"sync"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func waits(ctx context.Context) error { return asyncio.Sleep(ctx, 1) }

func wrong(ctx context.Context, loop *asyncio.Loop, q *asyncio.Queue[int], task *asyncio.Task[int]) error {
	go waits(ctx)           // want `goroutine.waits → asyncio.Sleep waits, and on a goroutine of its own it fails with ErrWrongGoroutine; use asyncio.Go`
	go wrap.PauseTwice(ctx) // want `wrap.PauseTwice → wrap.Pause → asyncio.Sleep waits, and on a goroutine`
	wrap.Offload(ctx, func() error {
		q.PutNowait(1)         // want `PutNowait is for`
		return wrap.Pause(ctx) // want `wrap.Pause → asyncio.Sleep waits, and on another goroutine`
	})
	go func() {
		waits(ctx)                  // want `asyncio.Sleep waits, and on another goroutine it fails with ErrWrongGoroutine`
		q.PutNowait(1)              // want `asyncio.Queue.PutNowait is for the loop's goroutine, and is called on another goroutine; use Loop.CallSoonThreadsafe`
		task.Cancel()               // want `asyncio.Task.Cancel is for the loop's goroutine`
		loop.CallSoon(func() {})    // want `asyncio.Loop.CallSoon is for`
		asyncio.Go(ctx, waits)      // want `asyncio.Go panics on another goroutine`
		func() { q.PutNowait(1) }() // want `PutNowait is for`
	}()
	time.AfterFunc(1, func() { task.Cancel() }) // want `Task.Cancel is for the loop's goroutine, and is called on another goroutine \(that of time.AfterFunc\)`
	var wg sync.WaitGroup
	wg.Go(func() { q.GetNowait() })            // want `GetNowait is for`
	wrap.Background(func() { q.PutNowait(1) }) // want `PutNowait is for`
	_, err := asyncio.ToThread(ctx, func(job context.Context) (int, error) {
		return 0, waits(ctx) // want `waits, and on another goroutine \(that of asyncio.ToThread\) it fails`
	})
	return err
}

func right(ctx context.Context, loop *asyncio.Loop, tq *asyncio.ThreadQueue[int], p *asyncio.Process) error {
	go func() {
		loop.CallSoonThreadsafe(func() { loop.CallSoon(func() {}) })
		asyncio.RunCoroutineThreadsafe(ctx, loop, func(ctx context.Context) (int, error) { return 0, waits(ctx) })
		tq.PutNowait(1)
		tq.Sync().Put(ctx, 1)
		p.Kill()
	}()
	go func() {
		// A loop of its own.
		asyncio.Run(context.Background(), waits)
	}()
	go wrap.Anywhere(ctx, 1)
	go func() {
		own, err := asyncio.NewLoop()
		if err != nil {
			return
		}
		own.CallSoon(func() {})
		own.RunForever()
	}()
	asyncio.Go(ctx, waits)
	return waits(ctx)
}

// A link waits where it is a loop's, and does not where it is another package's.

type link interface {
	Flush(ctx context.Context) error
	end(ctx context.Context) error
}

type loopLink struct{}

func (loopLink) Flush(ctx context.Context) error { return asyncio.Sleep(ctx, 1) }
func (loopLink) end(ctx context.Context) error   { return asyncio.Sleep(ctx, 1) }

type foreignLink struct{ wrap.Conn }

func (foreignLink) end(ctx context.Context) error { return asyncio.Sleep(ctx, 1) }

type waiter interface{ Wait() }

type loopWaiter struct{ ctx context.Context }

func (w loopWaiter) Wait() { asyncio.Sleep(w.ctx, 1) }

func newWaiter(ctx context.Context, inALoop bool) waiter {
	if inALoop {
		return loopWaiter{ctx}
	}
	return new(sync.WaitGroup)
}

func ofBothWorlds(ctx context.Context, l link) {
	go l.Flush(context.Background())
	go l.end(context.Background()) // want `Sleep waits, and on a goroutine of its own`
	go newWaiter(ctx, false).Wait()
}
