package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A RateLimiter lets so many through in a time: one each interval on the average, and a
// burst of some at once after a rest. Who has to wait goes in order. The zero value lets
// everybody through.
//
// It is of one loop at a time: of that of the task that uses it first, until that loop is
// closed. For the next one it is as new.
type RateLimiter struct {
	interval time.Duration
	burst    int
	turn     asyncio.Lock
	waiting  int           // tasks that wait for their turn, or have it
	full     time.Duration // when the burst is whole again, on the loop's clock
	loop     *asyncio.Loop // whose clock that is
}

// NewRateLimiter makes a limiter that lets one through each interval, and burst at once. It
// panics when one of them is not positive.
func NewRateLimiter(interval time.Duration, burst int) *RateLimiter {
	if interval <= 0 || burst <= 0 {
		panic("flow: NewRateLimiter: interval and burst must be positive")
	}
	return &RateLimiter{interval: interval, burst: burst}
}

// Wait suspends the running task until it may go on. When it returns an error, nothing of
// the rate was used. On another loop than the limiter's that is [asyncio.ErrWrongLoop].
func (l *RateLimiter) Wait(ctx context.Context) error {
	if err := l.use(ctx); err != nil {
		return err
	}
	l.waiting++
	defer func() { l.waiting-- }()
	if err := l.turn.Acquire(ctx); err != nil {
		return err
	}
	defer l.turn.Release()
	for {
		wait := l.until()
		if wait <= 0 {
			l.take()
			return nil
		}
		if err := asyncio.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Allow reports whether one may go on now, and uses the rate if so. It is false while
// others wait. It panics with the error that Wait would return where there is no loop, or
// another.
func (l *RateLimiter) Allow(ctx context.Context) bool {
	if err := l.use(ctx); err != nil {
		panic(err)
	}
	if l.waiting > 0 || l.until() > 0 {
		return false
	}
	l.take()
	return true
}

// use makes the limiter one of the loop of ctx, or returns an error when it is of another.
func (l *RateLimiter) use(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	switch {
	case err != nil:
		return err
	case l.loop == loop:
	case l.loop == nil || l.loop.IsClosed():
		*l = RateLimiter{interval: l.interval, burst: l.burst, loop: loop, full: loop.Time()}
	default:
		return fmt.Errorf("flow: rate limiter: %w", asyncio.ErrWrongLoop)
	}
	return nil
}

// until returns how long to wait for the next.
func (l *RateLimiter) until() time.Duration {
	return l.full - l.loop.Time() - time.Duration(l.burst-1)*l.interval
}

func (l *RateLimiter) take() { l.full = max(l.full, l.loop.Time()) + l.interval }
