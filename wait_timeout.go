package asyncio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// ErrScopeEnded is returned by [Scope.Reschedule] when the time limit has run
// out already or the body has returned. Python: RuntimeError.
var ErrScopeEnded = errors.New("asyncio: the timeout has run out or was left")

type scopeState uint8

const (
	scopeActive   scopeState = iota
	scopeExpiring            // the time is up and the task was cancelled
	scopeExpired             // and the body has returned
	scopeExited              // the body has returned in time
)

// A Scope is the time limit of a [Timeout]. Its methods are for the loop's
// goroutine. Python: Timeout.
type Scope struct {
	ctx     scopeContext
	when    time.Duration
	state   scopeState
	cancels int // those that had been requested of the task when it began
	timer   TimerHandle
	alarm   interface{ Cancel() } // the timer, or one made by Reschedule
}

// When gives the time at which the limit runs out, on the clock of
// [Loop.Time]; [NoTimeout] when there is none. Python: Timeout.when.
func (s *Scope) When() time.Duration { return s.when }

// Expired says whether the limit has run out. Python: Timeout.expired.
func (s *Scope) Expired() bool { return s.state == scopeExpiring || s.state == scopeExpired }

// Reschedule moves the limit to when, on the clock of [Loop.Time]; NoTimeout
// takes it away. A time that is past lets it run out in the next turn of the
// loop. It gives [ErrScopeEnded] when it has run out, or the body has returned.
// Python: Timeout.reschedule.
func (s *Scope) Reschedule(when time.Duration) error {
	if s.state != scopeActive {
		return fmt.Errorf("reschedule: %w", ErrScopeEnded)
	}
	s.disarm()
	s.when = when
	l := s.ctx.task.loop
	switch {
	case when == NoTimeout:
	case when <= l.Time():
		s.alarm = l.CallSoon(s.expire)
	default:
		s.alarm = l.CallAt(when, s.expire)
	}
	return nil
}

// begin starts the limit for the running task. A scope whose context nobody is
// given needs no outer one.
func (s *Scope) begin(t *task, outer context.Context, when time.Duration) {
	l := t.loop
	s.ctx.task, s.ctx.outer = t, outer
	s.cancels = t.cancelling()
	s.when = when
	switch {
	case when == NoTimeout:
	case when <= l.Time():
		s.alarm = l.CallSoon(s.expire)
	default: // CallAt, but with the handle in the scope
		h := &s.timer
		h.loop, h.when, h.fn = l, when, s.expire
		h.node.Value = h
		l.timers.Push(&h.node, int64(when))
		s.alarm = h
	}
}

func (s *Scope) disarm() {
	if s.alarm != nil {
		s.alarm.Cancel()
		s.alarm = nil
	}
}

// expire is called when the time is up. Only this scope's Done is closed, not
// that of the task: for what is outside of the body nothing has ended.
func (s *Scope) expire() {
	s.alarm = nil
	s.state = scopeExpiring
	if s.ctx.outer != nil {
		s.ctx.cancel(new(TimeoutError))
	}
	s.ctx.task.requestCancel("")
}

// end takes back what expire has done, and gives the error of the whole for
// that of the body: a timeout, if the body was cancelled, and by nobody else.
func (s *Scope) end(err error) error {
	s.disarm()
	s.ctx.end()
	if s.state == scopeActive {
		s.state = scopeExited
		return err
	}
	s.state = scopeExpired
	if s.ctx.task.uncancel() <= s.cancels && s.isCancellation(err) {
		return &TimeoutError{cause: err}
	}
	return err
}

// isCancellation says whether the body's error is what expire has caused. Code
// that heeds the context's Done, as that of other packages does, ends with the
// context's error.
func (s *Scope) isCancellation(err error) bool {
	return IsCancelled(err) || isChained(err, context.Canceled)
}

// isChained says whether err is target, or wraps it once or more with %w. It is
// errors.Is, but for what is one error among others.
func isChained(err, target error) bool {
	for err != nil {
		if err == target {
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// Timeout runs body in the running task and, when that has not returned after
// d, cancels it: the await at which it stands returns a [*CancelledError], as
// by [Task.Cancel], and the context that body was given ends. If body returns
// that error, Timeout returns a [*TimeoutError]. Any other result of body is
// Timeout's too, in time or not; so is a cancellation that somebody else has
// asked for meanwhile. With NoTimeout there is no limit until body sets one
// with [Scope.Reschedule]; if d is not positive the limit runs out at body's
// first wait. Python: async with timeout(d).
func Timeout(ctx context.Context, d time.Duration, body func(ctx context.Context, s *Scope) error) error {
	t, _, err := enter(ctx)
	if err != nil {
		return err
	}
	return t.within(ctx, t.loop.deadline(d), body)
}

// TimeoutAt is [Timeout] with the time itself, on the clock of [Loop.Time].
// Python: async with timeout_at(when).
func TimeoutAt(ctx context.Context, when time.Duration, body func(ctx context.Context, s *Scope) error) error {
	t, _, err := enter(ctx)
	if err != nil {
		return err
	}
	return t.within(ctx, when, body)
}

// deadline gives the time that is d, which may be negative, from now.
func (l *Loop) deadline(d time.Duration) time.Duration {
	now := l.Time()
	if d > driver.Forever-now {
		return NoTimeout
	}
	return now + d
}

func (t *task) within(ctx context.Context, when time.Duration, body func(context.Context, *Scope) error) (err error) {
	s := new(Scope)
	s.begin(t, ctx, when)
	returned := false
	defer func() {
		if !returned { // a panic, which goes on
			_ = s.end(nil)
		}
	}()
	err = body(&s.ctx, s)
	returned = true
	return s.end(err)
}
