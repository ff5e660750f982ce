package flow_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
	"github.com/asyncio-go/asyncio/flow"
)

func TestRetryCallsAgainAsItIsTold(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		fails := func(n int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				events.Add("called")
				if n--; n >= 0 {
					return errBoom
				}
				return nil
			}
		}
		steady := flow.Retries{First: time.Second, Max: 3 * time.Second, Steady: true}
		if err := flow.Retry(ctx, steady, fails(4)); err != nil {
			t.Error(err)
		}
		events.Want(t, "0s called", "1s called", "3s called", "6s called", "9s called")
		var failed *flow.RetryError
		if err := flow.Retry(ctx, steady, fails(5)); !errors.As(err, &failed) || failed.Calls != 5 || !errors.Is(err, errBoom) || err.Error() != "boom (after 5 calls)" {
			t.Error(err)
		}
		before := 0
		steady.Times, steady.Before = -1, func(err error, pause time.Duration) { before++ }
		if err := flow.Retry(ctx, steady, fails(50)); err != nil || before != 50 {
			t.Errorf("%v, told %d times", err, before)
		}
		steady.If = func(err error) bool { return false }
		if err := flow.Retry(ctx, steady, fails(1)); err != errBoom {
			t.Error(err)
		}
		began := flow.Now(ctx)
		if err := flow.Retry(ctx, flow.Retries{}, fails(1)); err != nil || flow.Now(ctx)-began < 50*time.Millisecond || flow.Now(ctx)-began > 100*time.Millisecond {
			t.Errorf("%v after %v", err, flow.Now(ctx)-began)
		}
		calls := 0
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return flow.Retry(ctx, steady, func(ctx context.Context) error { calls++; return asyncio.Sleep(ctx, time.Hour) })
		})
		asyncio.Sleep(ctx, time.Second)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestRetryTellsOfTheLastFailureWhenItsTimeIsOver(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		var failed *flow.RetryError
		err := flow.Retry(limited, flow.Retries{First: time.Hour, Max: time.Hour}, func(context.Context) error { return errBoom })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBoom) || !errors.As(err, &failed) || failed.Calls != 1 ||
			err.Error() != "context deadline exceeded before another call: boom (after 1 call)" {
			t.Error(err)
		}
		calls := 0
		err = flow.Retry(limited, flow.Retries{}, func(context.Context) error { calls++; return errBoom })
		if err != errBoom || calls != 1 {
			t.Errorf("with a context that has ended: %v after %d calls", err, calls)
		}
		var late *asyncio.TimeoutError
		err = asyncio.Timeout(ctx, 200*time.Millisecond, func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return flow.Retry(ctx, flow.Retries{First: time.Hour, Max: time.Hour}, func(context.Context) error { return errBoom })
		})
		if !errors.As(err, &late) {
			t.Errorf("in a Timeout: %v", err)
		}
	}, asynctest.WithRealClock())
}

func TestRetryCallsAgainInATaskThatCleansUp(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		twice := func(n int) func(context.Context) error {
			return func(context.Context) error {
				if n--; n >= 0 {
					return errBoom
				}
				return nil
			}
		}
		steady := flow.Retries{First: time.Second, Steady: true}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Sleep(ctx, time.Hour)
			err := flow.Retry(ctx, steady, twice(2))
			if err != nil || flow.Now(ctx) != 4*time.Second {
				t.Errorf("%v at %v", err, flow.Now(ctx))
			}
			return flow.Retry(ctx, steady, func(ctx context.Context) error {
				asyncio.CurrentTask(ctx).Cancel() // a second time
				return errBoom
			})
		})
		asyncio.Sleep(ctx, time.Second)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("cancelled twice: %v", err)
		}
	})
}

// A function may make another error of a cancellation, as clients of databases do.
func TestRetryEndsWithItsTaskWhateverTheFunctionSays(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		calls := 0
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return flow.Retry(ctx, flow.Retries{}, func(ctx context.Context) error {
				calls++
				asyncio.Sleep(ctx, time.Hour)
				return errBoom
			})
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); err != errBoom || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestRetryPausesAsItIsTold(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		pauses := func(r flow.Retries) (all []time.Duration) {
			r.Steady = true
			r.Before = func(_ error, pause time.Duration) { all = append(all, pause) }
			var failed *flow.RetryError
			if err := flow.Retry(ctx, r, func(context.Context) error { return errBoom }); !errors.As(err, &failed) || failed.Calls != len(all)+1 {
				t.Errorf("%v after %v", err, all)
			}
			return all
		}
		const ms = time.Millisecond
		for _, c := range []struct {
			r    flow.Retries
			want []time.Duration
		}{
			{flow.Retries{}, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms}},
			{flow.Retries{First: 6 * time.Second}, []time.Duration{6 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}},
			{flow.Retries{Times: 2, Factor: 7}, []time.Duration{100 * ms}},
			{flow.Retries{Times: 4, Factor: 3, Max: 500 * ms}, []time.Duration{100 * ms, 300 * ms, 500 * ms}},
		} {
			if got := pauses(c.r); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.r, got, c.want)
			}
		}
		derived, cancel := context.WithCancel(ctx)
		flow.After(ctx, time.Second, cancel)
		err := flow.Retry(derived, flow.Retries{First: time.Hour, Max: time.Hour}, func(context.Context) error { return errBoom })
		if err != context.Canceled {
			t.Errorf("cancelled in a pause: %v", err)
		}
	})
}

func TestRetryWithoutPausesAndWithoutALoop(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		for name, r := range map[string]flow.Retries{"First": {First: -time.Second}, "Max": {Max: -1}, "Factor": {First: 1, Factor: -5}} {
			began := flow.Now(ctx)
			var failed *flow.RetryError
			if err := flow.Retry(ctx, r, func(context.Context) error { return errBoom }); !errors.As(err, &failed) || failed.Calls != 5 || flow.Now(ctx)-began > time.Microsecond {
				t.Errorf("%s is negative: %v after %v", name, err, flow.Now(ctx)-began)
			}
		}
	})
	if err := flow.Retry(t.Context(), flow.Retries{}, func(context.Context) error { t.Error("it was called"); return errBoom }); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error(err)
	}
}
