package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestAScopeOutsideOfALoopIsAnErrorAndItsBodyDoesNotRun(t *testing.T) {
	body := func(context.Context) error {
		t.Error("the body ran")
		return nil
	}
	var s asyncio.CancelScope
	if err := s.Run(t.Context(), body); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error("Run: ", err)
	}
	if ended, err := asyncio.MoveOnAfter(t.Context(), time.Second, body); ended || !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error("MoveOnAfter: ", ended, err)
	}
	if err := asyncio.FailAfter(t.Context(), time.Second, body); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error("FailAfter: ", err)
	}
}

func TestAPanicLeavesACancelledScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = s.Run(ctx, func(context.Context) error {
				s.SetDeadline(time.Minute)
				s.Cancel()
				panic("boom")
			})
		}()
		if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
			t.Errorf("%d cancellations are left", n)
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			t.Error("a wait after the scope: ", err)
		}
	})
}

func TestTheContextOfAScopeTellsWhyItEnded(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var cancelled, late, left asyncio.CancelScope
		_ = cancelled.Run(ctx, func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("it has ended before it was cancelled")
			}
			cancelled.Cancel()
			if n := asyncio.CurrentTask(ctx).Cancelling(); n != 1 {
				t.Errorf("the task counts %d cancellations in the scope", n)
			}
			if err := context.Cause(ctx); !asyncio.IsCancelled(err) {
				t.Error("cancelled: ", err)
			}
			return nil
		})
		late.SetDeadline(time.Second)
		_ = late.Run(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			wantTimeout(t, context.Cause(ctx))
			return nil
		})
		var inside context.Context
		_ = left.Run(ctx, func(ctx context.Context) error {
			inside = ctx
			if ctx.Done() == nil || ctx.Err() != nil {
				t.Error("it has ended already")
			}
			return nil
		})
		if inside.Err() == nil {
			t.Error("the context of a scope that was left has not ended")
		}
	})
}

func TestALeftScopeLeavesNoTimerAndCannotBeCancelled(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		l := loopOf(ctx)
		before := l.Stats().Timers
		var s asyncio.CancelScope
		s.SetDeadline(time.Minute)
		err := s.Run(ctx, func(context.Context) error {
			if n := l.Stats().Timers - before; n != 1 {
				t.Errorf("%d timers for the deadline", n)
			}
			return nil
		})
		if n := l.Stats().Timers - before; n != 0 || err != nil {
			t.Errorf("%d timers are left, %v", n, err)
		}
		s.SetDeadline(time.Minute)
		if n := l.Stats().Timers - before; n != 0 {
			t.Errorf("a deadline for a scope that was left set %d timers", n)
		}
		s.SetDeadline(0)
		s.SetShield(false)
		s.Cancel()
		if s.Cancelled() || s.Caught() {
			t.Error("a scope that was left was cancelled")
		}
		if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
			t.Errorf("the task counts %d cancellations", n)
		}
		if err := asyncio.Sleep(ctx, 2*time.Minute); err != nil {
			t.Error(err)
		}
	})
}

func TestTheDeadlineOfARunningScopeCanBeMovedAndTakenAway(t *testing.T) {
	for name, c := range map[string]struct {
		first, second time.Duration // the second is set after a second
		ends          time.Duration // 0: never
	}{
		"later":     {2 * time.Second, 5 * time.Second, 5 * time.Second},
		"earlier":   {time.Hour, 3 * time.Second, 3 * time.Second},
		"now":       {time.Hour, time.Second, time.Second},
		"past":      {time.Hour, 0, time.Second},
		"away":      {2 * time.Second, asyncio.NoTimeout, 0},
		"first set": {asyncio.NoTimeout, 4 * time.Second, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var s asyncio.CancelScope
				if s.Deadline() != asyncio.NoTimeout {
					t.Errorf("a new scope has the deadline %v", s.Deadline())
				}
				s.SetDeadline(c.first)
				loopOf(ctx).CallLater(time.Second, func() { s.SetDeadline(c.second) })
				err := s.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 10*time.Second) })
				want := c.ends
				if want == 0 {
					want = 10 * time.Second
				}
				if err != nil || now(ctx) != want || s.Caught() != (c.ends != 0) || s.Cancelled() != s.Caught() {
					t.Errorf("it ended at %v, want %v; caught %v, %v", now(ctx), want, s.Caught(), err)
				}
				if s.Deadline() != c.second {
					t.Errorf("the deadline is %v, want %v", s.Deadline(), c.second)
				}
			})
		})
	}
}

// A second Cancel, a deadline after it and a shield on what is cancelled already
// count as one cancellation, of which nothing is left in the end.
func TestCancellingAScopeTwiceCountsOnce(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		l := loopOf(ctx)
		var s asyncio.CancelScope
		before := l.Stats().Timers
		err := s.Run(ctx, func(ctx context.Context) error {
			s.Cancel()
			s.Cancel()
			s.SetDeadline(now(ctx) + time.Hour)
			if n := l.Stats().Timers - before; n != 0 {
				t.Errorf("a cancelled scope set %d timers", n)
			}
			s.SetDeadline(now(ctx))
			if n := asyncio.CurrentTask(ctx).Cancelling(); n != 1 {
				t.Errorf("%d cancellations", n)
			}
			if !asyncio.IsCancelled(context.Cause(ctx)) {
				t.Error(context.Cause(ctx))
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		if err != nil || !s.Caught() || asyncio.CurrentTask(ctx).Cancelling() != 0 {
			t.Error(err)
		}
	})
}

// What was cancelled before the scope began is not the scope's to take back.
func TestAScopeInACancelledTaskCatchesItsOwnCancellationOnly(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour) // is told of the cancellation
			var s asyncio.CancelScope
			err := s.Run(ctx, func(ctx context.Context) error {
				loopOf(ctx).CallLater(time.Second, s.Cancel)
				return asyncio.Sleep(ctx, time.Hour)
			})
			if err != nil || !s.Caught() {
				t.Errorf("the scope's own: %v, caught %v", err, s.Caught())
			}
			if n := asyncio.CurrentTask(ctx).Cancelling(); n != 1 {
				t.Errorf("%d cancellations, want the first", n)
			}
			return asyncio.Sleep(ctx, time.Second)
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestTheErrorOfTheContextIsCaughtLikeThatOfTheWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		for name, result := range map[string]func(ctx context.Context) error{
			"context.Canceled": func(context.Context) error { return context.Canceled },
			"the wait's":       func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) },
		} {
			var s asyncio.CancelScope
			if err := s.Run(ctx, func(ctx context.Context) error { s.Cancel(); return result(ctx) }); err != nil || !s.Caught() {
				t.Errorf("%s: %v, caught %v", name, err, s.Caught())
			}
			var open asyncio.CancelScope
			if err := open.Run(ctx, func(ctx context.Context) error { return context.Canceled }); err != context.Canceled || open.Caught() {
				t.Errorf("%s of a scope that was not cancelled: %v", name, err)
			}
		}
	})
}

func TestFailAfterOfABodyInTimeReturnsWhatItReturns(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		if err := asyncio.FailAfter(ctx, time.Second, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		if ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(context.Context) error { return errBoom }); ended || err != errBoom {
			t.Error(ended, err)
		}
		if ended, err := asyncio.MoveOnAfter(ctx, asyncio.NoTimeout, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }); ended || err != nil {
			t.Error("no limit: ", ended, err)
		}
		err := asyncio.FailAfter(ctx, time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		var timeout *asyncio.TimeoutError
		if !errors.As(err, &timeout) || now(ctx) != time.Hour+time.Second {
			t.Errorf("%v at %v", err, now(ctx))
		}
	})
}

func TestAShieldThatIsPutUpInTimeKeepsTheCancellationAway(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, shield asyncio.CancelScope
		err := outer.Run(ctx, func(ctx context.Context) error {
			return shield.Run(ctx, func(ctx context.Context) error {
				shield.SetShield(true)
				loopOf(ctx).CallLater(time.Second, outer.Cancel)
				loopOf(ctx).CallLater(2*time.Second, func() { shield.SetShield(true) })
				return asyncio.Sleep(ctx, 3*time.Second)
			})
		})
		if err != nil || outer.Caught() || !outer.Cancelled() || now(ctx) != 3*time.Second {
			t.Errorf("%v at %v", err, now(ctx))
		}
	})
}

// The deadline of a shield inside is of no concern to the task outside of it.
func TestASecondShieldInsideDoesNotLetTheFirstOneDown(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var outer, first, second asyncio.CancelScope
		first.SetShield(true)
		_ = outer.Run(ctx, func(ctx context.Context) error {
			outer.Cancel()
			return first.Run(ctx, func(ctx context.Context) error {
				if err := second.Run(ctx, func(ctx context.Context) error {
					second.Cancel()
					return asyncio.Sleep(ctx, time.Hour)
				}); err != nil || !second.Caught() {
					t.Error(err)
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					t.Error("a wait under the first shield: ", err)
				}
				return nil
			})
		})
		if now(ctx) != time.Second {
			t.Error(now(ctx))
		}
	})
}
