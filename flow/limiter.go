package flow

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A RateLimiter lets so many through in a time: one each interval on the average, and a
// burst of some at once after a rest. Who has to wait goes in order.
type RateLimiter struct {
	interval time.Duration
	burst    int
	turn     asyncio.Lock
	full     time.Duration // when the burst is whole again, on the loop's clock
	used     bool
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
// the rate was used.
func (l *RateLimiter) Wait(ctx context.Context) error {
	if err := l.turn.Acquire(ctx); err != nil {
		return err
	}
	defer l.turn.Release()
	for {
		wait := l.until(Now(ctx))
		if wait <= 0 {
			l.take(Now(ctx))
			return nil
		}
		if err := asyncio.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Allow reports whether one may go on now, and uses the rate if so. It is false while
// others wait.
func (l *RateLimiter) Allow(ctx context.Context) bool {
	if l.turn.Locked() || l.until(Now(ctx)) > 0 {
		return false
	}
	l.take(Now(ctx))
	return true
}

// until returns how long to wait for the next.
func (l *RateLimiter) until(now time.Duration) time.Duration {
	if !l.used {
		return 0
	}
	return l.full - now - time.Duration(l.burst-1)*l.interval
}

func (l *RateLimiter) take(now time.Duration) {
	if !l.used || l.full < now {
		l.used, l.full = true, now
	}
	l.full += l.interval
}
