package asyncio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNothingToWaitFor is returned by [Wait] without awaitables. Python:
// ValueError.
var ErrNothingToWaitFor = errors.New("asyncio: nothing to wait for")

// ReturnWhen says when [Wait] returns.
type ReturnWhen int

const (
	// AllCompleted: when all have ended. Python: ALL_COMPLETED.
	AllCompleted ReturnWhen = iota
	// FirstCompleted: when one has ended. Python: FIRST_COMPLETED.
	FirstCompleted
	// FirstException: when one has failed, other than by a cancellation, or all
	// have ended. Python: FIRST_EXCEPTION.
	FirstException
)

// Wait suspends the running task until the awaitables have ended, as when says,
// or timeout is over, and returns those that have ended and those that have not,
// each once and in the order given. That they failed, or that the time is over,
// is no error of Wait's, and nothing is cancelled, not even when the running
// task is. It costs two turns of the loop at least. Where not all have the same
// type, they need a []Awaitable. Python: wait.
func Wait[A Awaitable](ctx context.Context, when ReturnWhen, timeout time.Duration, aws ...A) (done, pending []A, err error) {
	t, level, err := enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(aws) == 0 {
		return nil, nil, ErrNothingToWaitFor
	}
	if when < AllCompleted || when > FirstException {
		return nil, nil, fmt.Errorf("asyncio: wait: there is no ReturnWhen %d", when)
	}
	aws, err = distinct(t.loop, aws)
	if err != nil {
		return nil, nil, fmt.Errorf("wait: %w", err)
	}
	if err := t.waitSome(bases(aws), when, timeout, level); err != nil {
		return nil, nil, err
	}
	for _, aw := range aws {
		if aw.Done() {
			done = append(done, aw)
		} else {
			pending = append(pending, aw)
		}
	}
	return done, pending, nil
}

// distinct returns the awaitables without those that are there twice. They must
// belong to the loop.
func distinct[A Awaitable](l *Loop, aws []A) ([]A, error) {
	out := make([]A, 0, len(aws))
	var seen map[*future]struct{} // only for many; a few are looked through faster
	if len(aws) > 16 {
		seen = make(map[*future]struct{}, len(aws))
	}
	for _, aw := range aws {
		f := aw.base()
		if f.loop != l {
			return nil, ErrWrongLoop
		}
		twice := false
		if seen != nil {
			_, twice = seen[f]
			seen[f] = struct{}{}
		} else {
			twice = slices.ContainsFunc(out, func(other A) bool { return other.base() == f })
		}
		if !twice {
			out = append(out, aw)
		}
	}
	return out, nil
}

func bases[A Awaitable](aws []A) []*future {
	out := make([]*future, len(aws))
	for i, aw := range aws {
		out[i] = aw.base()
	}
	return out
}

// waitSet is a Wait under way.
type waitSet struct {
	when  ReturnWhen
	left  int
	over  future
	timer *TimerHandle
}

// waitMember is the callback of one of those that are waited for.
type waitMember struct {
	set *waitSet
	f   *future
}

func (t *task) waitSome(futures []*future, when ReturnWhen, timeout time.Duration, level context.Context) error {
	s := &waitSet{when: when, left: len(futures)}
	s.over.loop = t.loop
	if timeout != NoTimeout {
		s.timer = t.loop.CallLater(timeout, s.end)
	}
	members := make([]waitMember, len(futures))
	for i, f := range futures {
		members[i] = waitMember{s, f}
		f.add(&members[i])
	}
	err := t.wait(&s.over, level)
	s.stopTimer()
	for i := range members {
		members[i].f.remove(&members[i])
	}
	return err
}

func (m *waitMember) run() {
	s := m.set
	s.left--
	if s.left <= 0 || s.when == FirstCompleted || s.when == FirstException && m.failed() {
		s.stopTimer()
		s.end()
	}
}

func (m *waitMember) failed() bool {
	return m.f.state != cancelled && m.f.err != nil
}

func (s *waitSet) stopTimer() {
	if s.timer != nil {
		s.timer.Cancel()
	}
}

func (s *waitSet) end() {
	if s.over.state == pending {
		s.over.setResult()
	}
}

func (m *waitMember) dependent() *future { return &m.set.over }
