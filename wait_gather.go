package asyncio

import (
	"context"
	"fmt"
)

// An Outcome is what became of one of several: a value, or an error.
type Outcome[T any] struct {
	Value T     // the zero value when it failed
	Err   error // nil when it did not
}

// outcomeOf returns what Result has returned; a task may have both, a value and an
// error.
func outcomeOf[T any](v T, err error) Outcome[T] {
	if err != nil {
		return Outcome[T]{Err: err}
	}
	return Outcome[T]{Value: v}
}

// Gather awaits all and returns their results in the order given. It returns as
// soon as one fails or is cancelled, with that error; the others go on. If the
// running task is cancelled, so are all that have not ended, and Gather returns
// when they have. One that is given twice is awaited once. Python: await
// gather.
//
// A slice of tasks can be given as it is; tasks and futures side by side need a
// []Awaiter[T].
func Gather[T any, A Awaiter[T]](ctx context.Context, aws ...A) ([]T, error) {
	if err := gather(ctx, aws, false); err != nil {
		return nil, err
	}
	out := make([]T, len(aws))
	for i, aw := range aws {
		out[i], _ = aw.Result()
	}
	return out, nil
}

// GatherSettled is [Gather], but waits until all have ended, and returns what
// became of each. Its own error is that of the wait. Python: await gather with
// return_exceptions.
func GatherSettled[T any, A Awaiter[T]](ctx context.Context, aws ...A) ([]Outcome[T], error) {
	if err := gather(ctx, aws, true); err != nil {
		return nil, err
	}
	out := make([]Outcome[T], len(aws))
	for i, aw := range aws {
		out[i] = outcomeOf(aw.Result())
	}
	return out, nil
}

func gather[A Awaitable](ctx context.Context, aws []A, settled bool) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	out := &future{loop: t.loop}
	g := newGathering(out, len(aws), settled)
	for i, aw := range aws {
		g.members[i].f = aw.base()
	}
	if err := g.begin(); err != nil {
		return err
	}
	err = t.wait(out, level)
	if out.state == pending && !g.cancelled { // the wait is over by the end of level
		g.cancelWith(nil)
	}
	return err
}

// GatherFuture returns a future for the results of all, of any types, without
// waiting for them. It fails as soon as one fails or is cancelled. Cancelling
// it cancels all that have not ended, and it ends when they have. Python:
// gather.
func GatherFuture(loop *Loop, aws ...Awaitable) *Future[[]any] {
	return gatherFuture(loop, aws, false, func() []any {
		out := make([]any, len(aws))
		for i, aw := range aws {
			out[i], _ = resultOf(aw)
		}
		return out
	})
}

// GatherSettledFuture is [GatherFuture], but waits until all have ended, and
// returns what became of each. Python: gather with return_exceptions.
func GatherSettledFuture(loop *Loop, aws ...Awaitable) *Future[[]Outcome[any]] {
	return gatherFuture(loop, aws, true, func() []Outcome[any] {
		out := make([]Outcome[any], len(aws))
		for i, aw := range aws {
			out[i] = outcomeOf(resultOf(aw))
		}
		return out
	})
}

func gatherFuture[T any](loop *Loop, aws []Awaitable, settled bool, collect func() T) *Future[T] {
	out := NewFuture[T](loop)
	g := newGathering(&out.future, len(aws), settled)
	g.fill = func() { out.value = collect() }
	out.canceller = g
	for i, aw := range aws {
		g.members[i].f = aw.base()
	}
	if err := g.begin(); err != nil {
		out.setError(err)
	}
	return out
}

// anyResult is Result, where the type is not known.
type anyResult interface{ anyResult() (any, error) }

func (f *Future[T]) anyResult() (any, error) { return f.Result() }
func (t *Task[T]) anyResult() (any, error)   { return t.Result() }

// resultOf returns the result of any awaitable; nil where there is none.
func resultOf(aw Awaitable) (any, error) {
	v, err := aw.(anyResult).anyResult()
	if err != nil {
		return nil, err
	}
	return v, nil
}

// gathering is a Gather under way.
type gathering struct {
	out       *future
	fill      func() // sets the value of out
	settled   bool
	members   []gatherMember
	left      int
	cancelled bool // somebody has cancelled it, and some of its members
	cause     error
}

// gatherMember is the callback of one of those that are gathered.
type gatherMember struct {
	g *gathering
	f *future
}

func newGathering(out *future, n int, settled bool) *gathering {
	g := &gathering{out: out, settled: settled, members: make([]gatherMember, n)}
	out.canceller = g
	return g
}

// begin waits for the members. Those that have ended count at once, so that a
// gathering of which all have ended costs no turn of the loop.
func (g *gathering) begin() error {
	for i := range g.members {
		if g.members[i].f.loop != g.out.loop {
			return fmt.Errorf("gather: %w", ErrWrongLoop)
		}
	}
	var ended []*gatherMember
	for i := range g.members {
		m := &g.members[i]
		m.g = g
		switch {
		case m.f.state != pending:
			ended = append(ended, m)
		case m.f.calls(g):
			continue // it is there twice
		default:
			m.f.add(m)
		}
		g.left++
	}
	if g.left == 0 {
		g.finish()
	}
	for _, m := range ended {
		m.run()
	}
	return nil
}

// calls reports whether one of the callbacks is of g.
func (f *future) calls(g *gathering) bool {
	for r := range f.callbacks {
		if m, ok := r.(*gatherMember); ok && m.g == g {
			return true
		}
	}
	return false
}

// run notes that a member has ended.
func (m *gatherMember) run() {
	g := m.g
	g.left--
	err := m.f.outcome()
	if g.out.state != pending {
		return
	}
	if err != nil && !g.settled {
		g.fail(err)
		return
	}
	if g.left == 0 {
		g.finish()
	}
}

func (g *gathering) finish() {
	if g.cancelled {
		g.fail(&CancelledError{Cause: g.cause})
		return
	}
	if g.fill != nil {
		g.fill()
	}
	g.out.setResult()
}

// fail ends the gathering. One of which a member was cancelled has failed by
// that; it is not cancelled itself, or nobody could tell the two apart. But it
// is nothing to report when nobody looks.
func (g *gathering) fail(err error) {
	g.out.retrieved = IsCancelled(err)
	g.out.settle(finished, err)
}

// cancelWith cancels the members. The gathering ends when they have.
func (g *gathering) cancelWith(cause error) bool {
	if g.out.state != pending {
		return false
	}
	asked := false
	for i := range g.members {
		if g.members[i].f.cancel(cause) {
			asked = true
		}
	}
	if asked {
		g.cancelled, g.cause = true, cause
	}
	return asked
}

func (m *gatherMember) dependent() *future { return m.g.out }
