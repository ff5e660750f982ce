package flow

import (
	"context"
	"iter"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Now returns the clock of the loop of ctx, as [asyncio.Loop.Time] does. It panics with
// [asyncio.ErrNoRunningLoop] where there is none.
func Now(ctx context.Context) time.Duration { return loopOf(ctx).Time() }

// After makes the loop of ctx call fn after d, as [asyncio.Loop.CallLater] does. It panics
// with [asyncio.ErrNoRunningLoop] where there is none.
func After(ctx context.Context, d time.Duration, fn func()) *asyncio.TimerHandle {
	return loopOf(ctx).CallLater(d, fn)
}

func loopOf(ctx context.Context) *asyncio.Loop {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return l
}

// A Tick is one of [Every].
type Tick struct {
	At     time.Duration // when it was due, on the loop's clock
	Missed int           // how many right before it have come to nothing
}

// Every yields a tick after d, and then each d, until the running task is cancelled or ctx
// ends, with that error at last; also when there is no loop to wait on. Ticks are due at whole
// multiples of d after the beginning, so that they do not drift, and do not pile up: of those
// that were due while the body of the loop ran, or the process stood still, the last comes at
// once and the others are missed. It panics when d is not positive.
func Every(ctx context.Context, d time.Duration) iter.Seq2[Tick, error] {
	if d <= 0 {
		panic("flow: Every: the interval is not positive")
	}
	return func(yield func(Tick, error) bool) {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			yield(Tick{}, err)
			return
		}
		due := loop.Time() + d
		for {
			if err := asyncio.Sleep(ctx, due-loop.Time()); err != nil {
				yield(Tick{}, err)
				return
			}
			missed := max(0, int((loop.Time()-due)/d))
			due += time.Duration(missed) * d
			if !yield(Tick{At: due, Missed: missed}, nil) {
				return
			}
			due += d
		}
	}
}
