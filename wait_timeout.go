package asyncio

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrScopeEnded is returned by [TimeoutScope.Reschedule] when the time limit has run
// out already, or the body has returned or not begun. Python: RuntimeError.
var ErrScopeEnded = errors.New("asyncio: the timeout has run out or was left")

type scopeState uint8

const (
	scopeActive   scopeState = iota
	scopeExpiring            // the time is up and the task was cancelled
	scopeExpired             // and the body has returned
	scopeExited              // the body has returned in time
)

// A TimeoutScope is a time limit that can be moved while it runs, and asked
// whether it has run out; where neither is needed, [Timeout] is shorter. The zero
// value is ready for use, once. Its methods are for the loop's goroutine. Python:
// Timeout.
type TimeoutScope struct {
	ctx     scopeContext
	when    time.Duration
	state   scopeState
	cancels int // those that had been requested of the task when it began
	timer   TimerHandle
	alarm   interface{ Cancel() } // the timer, or one made by Reschedule
}

// When returns the time at which the limit runs out, on the clock of
// [Loop.Time]; [NoTimeout] when there is none. Python: Timeout.when.
func (s *TimeoutScope) When() time.Duration { return s.when }

// Expired reports whether the limit has run out. Python: Timeout.expired.
func (s *TimeoutScope) Expired() bool { return s.state == scopeExpiring || s.state == scopeExpired }

// Reschedule moves the limit to when, on the clock of [Loop.Time]; NoTimeout
// takes it away. A time that is past lets it run out in the next turn of the
// loop. It returns [ErrScopeEnded] when it has run out, or the body has returned.
// Python: Timeout.reschedule.
func (s *TimeoutScope) Reschedule(when time.Duration) error {
	if s.state != scopeActive || s.ctx.task == nil {
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
func (s *TimeoutScope) begin(t *task, outer context.Context, when time.Duration) {
	if s.ctx.task != nil {
		panic("asyncio: a TimeoutScope was used twice")
	}
	l := t.loop
	s.ctx.task, s.ctx.outer = t, outer
	s.cancels = t.cancelledDirectly()
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

func (s *TimeoutScope) disarm() {
	if s.alarm != nil {
		s.alarm.Cancel()
		s.alarm = nil
	}
}

// expire is called when the time is up. Only this scope's Done is closed, not
// that of the task: for what is outside of the body nothing has ended.
func (s *TimeoutScope) expire() {
	s.alarm = nil
	s.state = scopeExpiring
	if s.ctx.outer != nil {
		s.ctx.cancel(new(TimeoutError))
	}
	s.ctx.task.requestCancel(nil)
}

// end takes back what expire has done, and returns the error of the whole for
// that of the body: a timeout, if the body was cancelled, and by nobody else.
func (s *TimeoutScope) end(err error) error {
	s.disarm()
	s.ctx.end()
	if s.state == scopeActive {
		s.state = scopeExited
		return err
	}
	s.state = scopeExpired
	t := s.ctx.task
	t.uncancel()
	if t.cancelledDirectly() <= s.cancels && !t.insistent && s.isCancellation(err) {
		return &TimeoutError{cause: err}
	}
	return err
}

// isCancellation reports whether the body's error is what expire has caused. Code
// that heeds the context's Done, as that of other packages does, ends with the
// context's error.
func (s *TimeoutScope) isCancellation(err error) bool {
	return IsCancelled(err) || isChained(err, context.Canceled)
}

// isChained reports whether err is target and nothing else, by way of whatever
// wraps it. It is errors.Is, but for what is one error among others.
func isChained(err, target error) bool {
	return isNothingBut(err, func(err error) bool { return err == target })
}

// Timeout runs body in the running task and, when that has not returned after
// d, cancels it: the await at which it stands returns a [*CancelledError], as
// by [Task.Cancel], and the context that body was given ends. If body returns
// that error, Timeout returns a [*TimeoutError]. Any other result of body is
// Timeout's too, in time or not; so is a cancellation that somebody else has
// asked for meanwhile. With [NoTimeout] there is no limit; if d is not positive
// the limit runs out at body's first wait. Python: async with timeout(d).
func Timeout(ctx context.Context, d time.Duration, body func(ctx context.Context) error) error {
	return new(TimeoutScope).Run(ctx, d, body)
}

// TimeoutValue is [Timeout] for a body with a result, a read for example:
// TimeoutValue(ctx, d, stream.ReadText). Python: async with timeout(d).
func TimeoutValue[T any](ctx context.Context, d time.Duration, body func(ctx context.Context) (T, error)) (v T, err error) {
	err = Timeout(ctx, d, func(ctx context.Context) (err error) {
		v, err = body(ctx)
		return err
	})
	return v, err
}

// TimeoutAt is [Timeout] with the time itself, on the clock of [Loop.Time].
// Python: async with timeout_at(when).
func TimeoutAt(ctx context.Context, when time.Duration, body func(ctx context.Context) error) error {
	return new(TimeoutScope).RunAt(ctx, when, body)
}

// Run is [Timeout] with s as the limit, which body may move. It panics when s is
// in use or was used before. Python: async with timeout(d) as s.
func (s *TimeoutScope) Run(ctx context.Context, d time.Duration, body func(ctx context.Context) error) error {
	t, _, err := enter(ctx)
	if err != nil {
		return err
	}
	return s.run(t, ctx, t.loop.after(d), body)
}

// RunAt is [TimeoutAt] with s as the limit. Python: async with timeout_at(when) as s.
func (s *TimeoutScope) RunAt(ctx context.Context, when time.Duration, body func(ctx context.Context) error) error {
	t, _, err := enter(ctx)
	if err != nil {
		return err
	}
	return s.run(t, ctx, when, body)
}

func (s *TimeoutScope) run(t *task, ctx context.Context, when time.Duration, body func(context.Context) error) (err error) {
	s.begin(t, ctx, when)
	returned := false
	defer func() {
		if !returned { // a panic, which goes on
			_ = s.end(nil)
		}
	}()
	err = body(&s.ctx)
	returned = true
	return s.end(err)
}
