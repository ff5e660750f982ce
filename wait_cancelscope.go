package asyncio

import (
	"context"
	"fmt"
	"time"
)

// A CancelScope is a part of a task that can be cancelled by itself, and for good:
// once it is cancelled, every wait in it fails, until it is left. So code that
// drops the error of one wait cannot go on for ever, as it can under [Timeout],
// whose cancellation is told once, as in asyncio. What need not wait, such as
// [Queue.Get] where there is an item, succeeds as ever.
//
// The tasks of a [Group] in the scope are cancelled in the same way, each when it has
// come to its first wait, and also while their parent is in a shield. One that has a
// shield of its own keeps it.
//
// The zero value is ready for use, once. Its methods are for the loop's goroutine.
// It costs what a [Timeout] costs. Python: anyio.CancelScope, trio.CancelScope.
type CancelScope struct {
	level    levelScope
	ctx      scopeContext
	cancels  int // those that others than scopes had requested of the task when it began
	deadline time.Duration
	alarm    *TimerHandle
	bounded  bool // there is a deadline
	expired  bool // it has passed
	caught   bool
	left     bool
}

// Run runs body in the running task, within the scope. When the scope was cancelled
// and body returns a cancellation, Run returns nil, and Caught reports true. Any
// other result of body is Run's, and so is a cancellation that somebody else has
// asked for: [Task.Cancel], or a scope outside, unless s is a shield. An error that
// holds others beside a cancellation is returned whole. It panics when s is in use
// or was used before.
func (s *CancelScope) Run(ctx context.Context, body func(ctx context.Context) error) error {
	t, _, err := enter(ctx)
	if err != nil {
		return err
	}
	if s.ctx.task != nil {
		panic("asyncio: a CancelScope was used twice")
	}
	s.ctx.task, s.ctx.outer = t, ctx
	s.cancels = t.cancelledDirectly()
	t.enterScope(&s.level)
	if s.level.cancelled { // before it began
		s.strike()
	}
	s.arm()
	defer func() {
		if !s.left { // a panic, which goes on
			_ = s.leave(nil)
		}
	}()
	return s.leave(body(&s.ctx))
}

// leave is the end of the scope, whose body has returned err.
func (s *CancelScope) leave(err error) error {
	t := s.ctx.task
	s.left = true
	s.disarm()
	s.ctx.end()
	t.leaveScope()
	if !s.level.cancelled {
		return err
	}
	t.uncancel()
	switch {
	case !IsCancelled(err) && !isChained(err, context.Canceled):
		return err
	case t.cancelledDirectly() > s.cancels:
		return err
	case t.insistent && !s.level.shield:
		return err // the scope outside catches it
	}
	s.caught = true
	return nil
}

// Cancel cancels the scope: the wait at which its task stands, and each one that
// follows, fails with a [*CancelledError], and the context that body was given
// ends. It may be called before Run, and does nothing after it, or twice. Python:
// CancelScope.cancel.
func (s *CancelScope) Cancel() {
	if s.level.cancelled || s.left {
		return
	}
	s.level.cancelled = true
	if s.ctx.task != nil {
		s.strike()
	}
}

// strike cancels what the task does in the scope.
func (s *CancelScope) strike() {
	t := s.ctx.task
	cause := &CancelledError{}
	if s.expired {
		s.ctx.cancel(new(TimeoutError))
	} else {
		s.ctx.cancel(cause)
	}
	t.rare.cancels++
	t.heedScopes()
}

// SetShield makes the scope keep cancellations of the scopes outside of it away
// from what is inside, or lets them through again. [Task.Cancel] is not kept away, nor
// is a [Group]'s, when something in it has failed: those are asyncio's.
// Python: CancelScope.shield.
func (s *CancelScope) SetShield(on bool) {
	s.level.shield = on
	if t := s.ctx.task; t != nil && !s.left {
		t.heedScopes()
	}
}

// SetDeadline cancels the scope at that time, on the clock of [Loop.Time];
// [NoTimeout] takes the deadline away. It may be called before Run. Python:
// CancelScope.deadline.
func (s *CancelScope) SetDeadline(when time.Duration) {
	s.disarm()
	s.deadline, s.bounded = when, when != NoTimeout
	if s.ctx.task != nil && !s.left {
		s.arm()
	}
}

// Deadline returns the time at which the scope is cancelled, or [NoTimeout].
// Python: CancelScope.deadline.
func (s *CancelScope) Deadline() time.Duration {
	if !s.bounded {
		return NoTimeout
	}
	return s.deadline
}

func (s *CancelScope) arm() {
	if !s.bounded || s.level.cancelled {
		return
	}
	l := s.ctx.task.loop
	if s.deadline <= l.Time() {
		s.expire()
		return
	}
	s.alarm = l.CallAt(s.deadline, s.expire)
}

func (s *CancelScope) disarm() {
	if s.alarm != nil {
		s.alarm.Cancel()
		s.alarm = nil
	}
}

func (s *CancelScope) expire() {
	s.alarm = nil
	s.expired = true
	s.Cancel()
}

// Cancelled reports whether the scope was cancelled, by Cancel or its deadline.
// Python: CancelScope.cancel_called.
func (s *CancelScope) Cancelled() bool { return s.level.cancelled }

// Caught reports whether body was ended by the scope's cancellation. Python:
// CancelScope.cancelled_caught.
func (s *CancelScope) Caught() bool { return s.caught }

// MoveOnAfter runs body in a [CancelScope] that is cancelled after d, and reports
// whether that has ended body. Python: anyio.move_on_after, trio.move_on_after.
func MoveOnAfter(ctx context.Context, d time.Duration, body func(ctx context.Context) error) (ended bool, err error) {
	l, err := loopOf(ctx)
	if err != nil {
		return false, fmt.Errorf("move on after %v: %w", d, err)
	}
	var s CancelScope
	s.SetDeadline(l.after(d))
	err = s.Run(ctx, body)
	return s.caught, err
}

// FailAfter is [MoveOnAfter] that returns a [*TimeoutError] when the time has ended
// body. Python: anyio.fail_after, trio.fail_after.
func FailAfter(ctx context.Context, d time.Duration, body func(ctx context.Context) error) error {
	ended, err := MoveOnAfter(ctx, d, body)
	if ended {
		return &TimeoutError{cause: &CancelledError{}}
	}
	return err
}
