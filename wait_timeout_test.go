package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// sleepFor is a body of a Timeout.
func sleepFor(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { return asyncio.Sleep(ctx, d) }
}

func TestTimeoutEndsItsBodyAndNothingElse(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var inner context.Context
		s := new(asyncio.TimeoutScope)
		err := s.Run(ctx, time.Second, func(ctx context.Context) error {
			inner = ctx
			return asyncio.Sleep(ctx, time.Hour)
		})
		wantTimeout(t, err)
		if !s.Expired() || s.When() != time.Second || now(ctx) != time.Second {
			t.Errorf("expired %v, when %v, now %v", s.Expired(), s.When(), now(ctx))
		}
		if inner.Err() == nil || ctx.Err() != nil || asyncio.CurrentTask(ctx).Cancelling() != 0 {
			t.Errorf("body's context: %v; task's: %v", inner.Err(), ctx.Err())
		}
		wantTimeout(t, context.Cause(inner))
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutLeavesAloneWhatReturnsInTime(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, want := range []error{nil, errBoom} {
			s := new(asyncio.TimeoutScope)
			err := s.Run(ctx, time.Second, func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, time.Millisecond)
				if ctx.Err() != nil || s.Expired() {
					t.Error("expired")
				}
				return want
			})
			if err != want {
				t.Error(err)
			}
		}
		_ = asyncio.Sleep(ctx, time.Hour)
	})
}

func TestTimeoutThatIsOverAtOnceEndsTheFirstWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, d := range []time.Duration{0, -time.Second} {
			reached := false
			err := asyncio.Timeout(ctx, d, func(ctx context.Context) error {
				reached = true
				return asyncio.Sleep(ctx, time.Second)
			})
			wantTimeout(t, err)
			if !reached || now(ctx) != 0 {
				t.Error(reached, now(ctx))
			}
		}
	})
}

func TestInnerTimeoutBelongsToTheInnerScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		outer := new(asyncio.TimeoutScope)
		err := outer.Run(ctx, 2*time.Second, func(ctx context.Context) error {
			err := asyncio.Timeout(ctx, time.Second, sleepFor(time.Hour))
			wantTimeout(t, err)
			if outer.Expired() || ctx.Err() != nil {
				t.Error("the outer one expired too")
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		wantTimeout(t, err)
		if now(ctx) != 2*time.Second {
			t.Error(now(ctx))
		}
	})
}

func TestOuterTimeoutGoesThroughTheInnerScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			err := asyncio.Timeout(ctx, 2*time.Second, sleepFor(time.Hour))
			wantCancelled(t, err, "")
			return err
		})
		wantTimeout(t, err)
	})
}

// CPython: gh-90985 and others: who was cancelled must not be told of a
// timeout, or the cancellation is lost.
func TestCancellationInTheTurnOfATimeoutIsNotSwallowed(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, cancelFirst := range []bool{true, false} {
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				return asyncio.Timeout(ctx, time.Second, sleepFor(time.Hour))
			})
			if !cancelFirst {
				turns(ctx, 1) // so that its timer is made before ours
			}
			loopOf(ctx).CallLater(time.Second, func() { task.CancelCause(errors.New("stop")) })
			_, err := task.Await(ctx)
			if !asyncio.IsCancelled(err) || task.Cancelling() != 1 {
				t.Errorf("cancelFirst %v: %v, cancelling %d", cancelFirst, err, task.Cancelling())
			}
		}
	})
}

func TestBodyThatHandlesItsCancellationReturnsWhatItWants(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, want := range []error{nil, errBoom} {
			s := new(asyncio.TimeoutScope)
			err := s.Run(ctx, time.Second, func(ctx context.Context) error {
				wantCancelled(t, asyncio.Sleep(ctx, time.Hour), "")
				if !s.Expired() {
					t.Error("not expired")
				}
				// It is told once, so it can clean up.
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					t.Error(err)
				}
				return want
			})
			if err != want || asyncio.CurrentTask(ctx).Cancelling() != 0 {
				t.Error(err)
			}
		}
	})
}

func TestTimeoutTakesAWrappedCancellationAndThatOfItsContext(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			return fmt.Errorf("reading: %w", asyncio.Sleep(ctx, time.Hour))
		})
		wantTimeout(t, err)
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			return ctx.Err()
		})
		wantTimeout(t, err)
	})
}

func TestRescheduleMovesTheLimit(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := new(asyncio.TimeoutScope)
		err := s.Run(ctx, asyncio.NoTimeout, func(ctx context.Context) error {
			if s.When() != asyncio.NoTimeout {
				t.Error(s.When())
			}
			_ = asyncio.Sleep(ctx, time.Second)
			_ = s.Reschedule(3 * time.Second)
			_ = s.Reschedule(5 * time.Second)
			return asyncio.Sleep(ctx, time.Hour)
		})
		wantTimeout(t, err)
		if now(ctx) != 5*time.Second {
			t.Error(now(ctx))
		}
		left := new(asyncio.TimeoutScope)
		err = left.RunAt(ctx, 6*time.Second, func(ctx context.Context) error {
			if err := left.Reschedule(asyncio.NoTimeout); err != nil {
				t.Error(err)
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		if err != nil {
			t.Error(err)
		}
		wantErr(t, left.Reschedule(time.Second), asyncio.ErrScopeEnded)
	})
}

func TestRescheduleIntoThePastEndsTheNextWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		_ = asyncio.Sleep(ctx, time.Minute)
		s := new(asyncio.TimeoutScope)
		err := s.Run(ctx, time.Hour, func(ctx context.Context) error {
			_ = s.Reschedule(time.Second)
			turns(ctx, 1)
			wantErr(t, s.Reschedule(time.Hour), asyncio.ErrScopeEnded)
			return asyncio.Sleep(ctx, time.Hour)
		})
		if err != nil || now(ctx) != time.Minute+time.Hour {
			t.Error(err, now(ctx)) // turns has swallowed it
		}
	})
}

func TestPanicInATimeoutsBodyTakesTheCancellationBack(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		defer func() {
			if recover() != any("x") || asyncio.CurrentTask(ctx).Cancelling() != 0 {
				t.Error("cancelling", asyncio.CurrentTask(ctx).Cancelling())
			}
		}()
		_ = asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			panic("x")
		})
	})
}

func TestADerivedContextEndsTheAwaitsOfATimeoutInsideIt(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		loopOf(ctx).CallSoon(cancel)
		err := asyncio.Timeout(derived, time.Hour, func(ctx context.Context) error {
			return asyncio.Timeout(context.WithValue(ctx, errBoom, 1), time.Hour, sleepFor(time.Hour))
		})
		if err != context.Canceled {
			t.Error(err)
		}
	})
}

func TestWaitForGivesTheResultInTime(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, limit := range []time.Duration{2 * time.Second, asyncio.NoTimeout} {
			if v, err := asyncio.WaitFor(ctx, limit, after(ctx, time.Second, 7)); v != 7 || err != nil {
				t.Error(v, err)
			}
		}
		_, err := asyncio.WaitFor(ctx, time.Second, failAfter(ctx, 0, errBoom))
		wantErr(t, err, errBoom)
	})
}

func TestWaitForCancelsWhatIsLate(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, limit := range []time.Duration{time.Second, 0, -1} {
			task := after(ctx, time.Hour, 1)
			turns(ctx, 1)
			_, err := asyncio.WaitFor(ctx, limit, task)
			wantTimeout(t, err)
			if !task.Cancelled() {
				t.Error("it still runs")
			}
		}
	})
}

func TestWaitForWithNoTimeHearsOneThatEndsInAnotherWay(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for _, want := range []error{nil, errBoom} {
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				_ = asyncio.Sleep(ctx, time.Hour)
				return 7, want
			})
			turns(ctx, 1)
			if v, err := asyncio.WaitFor(ctx, 0, task); err != want || want == nil && v != 7 {
				t.Error(v, err)
			}
		}
	})
}

func TestWaitForWithNoTimeDoesNotBegin(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		_, err := asyncio.WaitFor(ctx, 0, asyncio.CreateTask(ctx, func(context.Context) (int, error) {
			t.Error("it ran")
			return 1, nil
		}))
		wantTimeout(t, err)
		done := after(ctx, 0, 5)
		turns(ctx, 3)
		if v, err := asyncio.WaitFor(ctx, 0, done); v != 5 || err != nil {
			t.Error(v, err)
		}
	})
}

// What is awaited ends, and the task that awaits is cancelled in the same turn.
// CPython: bpo-37658, bpo-42130: wait_for returned the result, and the
// cancellation was gone.
func TestWaitForDoesNotSwallowACancellation(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := asyncio.NewFuture[int](loopOf(ctx))
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.WaitFor(ctx, time.Second, inner)
		})
		turns(ctx, 1)
		_ = inner.SetResult(7)
		task.CancelCause(errors.New("stop"))
		_, err := task.Await(ctx)
		wantCancelled(t, err, "stop")
		if v, err := inner.Result(); v != 7 || err != nil {
			t.Error("the result is gone:", v, err)
		}
	})
}

// What is awaited ends in the turn in which the time is up. CPython:
// bpo-37658, gh-86296: the result was dropped.
func TestWaitForDoesNotDropAFinishedResult(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := asyncio.NewFuture[int](loopOf(ctx))
		loopOf(ctx).CallLater(time.Second, func() { _ = inner.SetResult(7) })
		_, err := asyncio.WaitFor(ctx, time.Second, inner)
		if err != nil {
			wantTimeout(t, err)
		}
		if v, err := inner.Result(); v != 7 || err != nil {
			t.Error("the result is gone:", v, err)
		}
		// One that ends although it was cancelled is heard.
		v, err := asyncio.WaitFor(ctx, time.Second, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			_ = asyncio.Sleep(ctx, time.Hour)
			return "saved", nil
		}))
		if v != "saved" || err != nil {
			t.Error(v, err)
		}
	})
}

func TestCancellingWaitForCancelsWhatItAwaitsAndKeepsTheMessage(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		inner := after(ctx, time.Hour, 1)
		outer := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.WaitFor(ctx, time.Hour, inner)
		})
		turns(ctx, 2)
		outer.CancelCause(errors.New("home"))
		_, err := outer.Await(ctx)
		wantCancelled(t, err, "home")
		wantCancelled(t, inner.Err(), "home")
	})
}

func TestTimeoutErrorIsANetError(t *testing.T) {
	var e interface {
		error
		Timeout() bool
	}
	if err := error(new(asyncio.TimeoutError)); !errors.As(err, &e) || !e.Timeout() {
		t.Error(err)
	}
}
