package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// Retries say how [Retry] calls a function again. The zero value calls it up to five times,
// with a tenth of a second before the second time and twice as long before each time
// after that, up to ten seconds, each shortened by a random part of up to a half.
type Retries struct {
	Times  int           // the most calls; 0: five; negative: no bound
	First  time.Duration // the pause after the first failure; 0: 100 ms
	Max    time.Duration // the longest pause; 0: ten seconds
	Factor float64       // by what a pause grows; 0: two
	Steady bool          // the pauses are not shortened

	// If reports whether a failure is worth another call; nil: each is.
	If func(error) bool
	// Before is told of a failure after which there will be another call, and when.
	Before func(err error, pause time.Duration)
}

// A RetryError is the last failure of a function that was called several times.
type RetryError struct {
	Calls int
	Err   error
}

func (e *RetryError) Error() string { return fmt.Sprintf("%v (after %d calls)", e.Err, e.Calls) }

// Unwrap returns Err.
func (e *RetryError) Unwrap() error { return e.Err }

// Retry calls fn until it returns no error, or an error that is not worth another call, or
// too often: that is returned, as a [*RetryError] if there was more than one call. A
// cancellation and the end of ctx end it at once. Between the calls the running task
// sleeps.
func Retry(ctx context.Context, r Retries, fn func(ctx context.Context) error) error {
	pause := orDefault(r.First, 100*time.Millisecond)
	longest := orDefault(r.Max, 10*time.Second)
	times := orDefault(r.Times, 5)
	factor := orDefault(r.Factor, 2)
	for calls := 1; ; calls++ {
		err := fn(ctx)
		if err == nil || asyncio.IsCancelled(err) || ctx.Err() != nil {
			return err
		}
		if r.If != nil && !r.If(err) || times > 0 && calls >= times {
			if calls > 1 {
				err = &RetryError{calls, err}
			}
			return err
		}
		d := min(pause, longest)
		if !r.Steady {
			d -= time.Duration(hook.Rand(loopOf(ctx), int64(d)/2+1))
		}
		if r.Before != nil {
			r.Before(err, d)
		}
		if err := asyncio.Sleep(ctx, d); err != nil {
			return err
		}
		pause = time.Duration(min(float64(pause)*factor, float64(longest)))
	}
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
