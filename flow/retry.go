package flow

import (
	"context"
	"errors"
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
	First  time.Duration // the pause after the first failure; 0: 100 ms; negative: no pauses
	Max    time.Duration // the longest pause; 0: ten seconds; negative: no pauses
	Factor float64       // by what a pause grows; 0: two; negative: no pause but the first
	Steady bool          // the pauses are not shortened

	// If reports whether a failure is worth another call; nil: each is.
	If func(error) bool
	// Before is told of a failure after which there will be another call, and when.
	Before func(err error, pause time.Duration)
}

// A RetryError is the last failure of a function that was called, mostly several times.
type RetryError struct {
	Calls int
	Err   error
}

func (e *RetryError) Error() string {
	if e.Calls == 1 {
		return fmt.Sprintf("%v (after 1 call)", e.Err)
	}
	return fmt.Sprintf("%v (after %d calls)", e.Err, e.Calls)
}

// Unwrap returns Err.
func (e *RetryError) Unwrap() error { return e.Err }

// Retry calls fn until it returns no error, or an error that is not worth another call, or
// too often: that is returned, as a [*RetryError] if there was more than one call. A
// cancellation and the end of ctx end it at once. Between the calls the running task
// sleeps; when the deadline of ctx passes meanwhile, the error is both, the deadline's and a
// RetryError with the last failure. A task that was cancelled before may use it to clean up.
func Retry(ctx context.Context, r Retries, fn func(ctx context.Context) error) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	pause := orDefault(r.First, 100*time.Millisecond)
	longest := orDefault(r.Max, 10*time.Second)
	times := orDefault(r.Times, 5)
	factor := orDefault(r.Factor, 2)
	// In a task that was cancelled, and cleans up, its context has ended before, and calling
	// again may be how it does so. What ends meanwhile is an order to end, whatever fn makes of it.
	cleansUp := ctx.Err() != nil
	for calls := 1; ; calls++ {
		err := fn(ctx)
		if err == nil || asyncio.IsCancelled(err) || ctx.Err() != nil && !cleansUp {
			return err
		}
		if cleansUp {
			if e := asyncio.Sleep(ctx, 0); asyncio.IsCancelled(e) {
				return e
			} else if e != nil {
				return err
			}
		}
		if r.If != nil && !r.If(err) || times > 0 && calls >= times {
			if calls > 1 {
				err = &RetryError{calls, err}
			}
			return err
		}
		d := max(0, min(pause, longest))
		if !r.Steady {
			d -= time.Duration(hook.Rand(loop, int64(d)/2+1))
		}
		if r.Before != nil {
			r.Before(err, d)
		}
		if e := asyncio.Sleep(ctx, d); e != nil {
			if !asyncio.IsCancelled(e) && errors.Is(e, context.DeadlineExceeded) {
				e = fmt.Errorf("%w before another call: %w", e, &RetryError{calls, err})
			}
			return e
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
