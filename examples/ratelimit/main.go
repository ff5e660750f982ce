// Command ratelimit makes ten calls at no more than five a second, but for the
// first three, which may come at once. It runs on the virtual clock, so it takes no
// time.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A limiter lets callers pass one after another, every so often. It needs no lock:
// between two waits nothing else runs.
type limiter struct {
	loop  *asyncio.Loop
	every time.Duration
	burst int           // how many may pass at once after a pause
	next  time.Duration // when the next one might pass had there always been callers
}

func newLimiter(loop *asyncio.Loop, every time.Duration, burst int) *limiter {
	l := &limiter{loop: loop, every: every, burst: burst}
	l.next = l.earliest()
	return l
}

// earliest is what next is after a long pause.
func (l *limiter) earliest() time.Duration {
	return l.loop.Time() - time.Duration(l.burst-1)*l.every
}

// Wait returns when the caller may go on, in the order of the calls. A caller that is
// cancelled has used its turn.
func (l *limiter) Wait(ctx context.Context) error {
	mine := max(l.next, l.earliest())
	l.next = mine + l.every
	if now := l.loop.Time(); mine > now {
		return asyncio.Sleep(ctx, mine-now)
	}
	return nil
}

func main() {
	if err := asyncio.Run(context.Background(), run, asyncio.WithVirtualClock()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	limit := newLimiter(loop, 200*time.Millisecond, 3)
	return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
		for i := range 10 {
			g.Go(func(ctx context.Context) error {
				if err := limit.Wait(ctx); err != nil {
					return err
				}
				fmt.Printf("call %d at %v\n", i+1, loop.Time())
				return nil
			})
		}
		return nil
	})
}
