package background

import (
	"context"
	"iter"
	"testing"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func wrong(ctx context.Context, q *asyncio.Queue[int]) error {
	asyncio.Sleep(context.Background(), 1) // want `the context of context.Background belongs to no loop, and asyncio.Sleep fails with ErrNoRunningLoop`
	q.Put(context.TODO(), 1)               // want `the context of context.TODO belongs to no loop`
	limited, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	wrap.Pause(limited)                          // want `and wrap.Pause fails`
	asyncio.Go(context.Background(), nil)        // want `and asyncio.Go fails`
	wrap.Spawn(context.Background(), nil)        // want `and wrap.Spawn fails`
	for range wrap.Ticks(context.Background()) { // want `and wrap.Ticks fails`
	}
	_ = wrap.Ticks(context.Background())
	_ = ticks(context.Background())
	for range ticks(context.Background()) { // want `and background.ticks fails`
	}
	return mine(context.Background()) // want `and background.mine fails`
}

func mine(ctx context.Context) error { return wrap.Pause(ctx) }

func ticks(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) { mine(ctx) }
}

func inATest(t *testing.T) {
	wrap.Pause(t.Context()) // want `the context of t.Context belongs to no loop`
}

func right(ctx context.Context) error {
	if err := asyncio.Sleep(context.WithoutCancel(ctx), 1); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := wrap.Pause(limited); err != nil {
		return err
	}
	plain(context.Background())
	wrap.Anywhere(context.Background(), 1)
	return asyncio.Run(context.Background(), mine) // want `asyncio.Run fails on a loop's goroutine`
}

func plain(ctx context.Context) error { return ctx.Err() }

func start() error {
	return asyncio.Run(context.Background(), mine)
}
