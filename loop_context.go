package asyncio

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// An ownContext is a context that this package gives to coroutines: a task's
// own, or inside it that of a [Timeout] or a [TaskGroup].
//
// What it says to this package is which loop it belongs to; the loop knows
// which task runs. What it says to everybody else, Done, Err and Value, it
// leaves to a standard context, made when first asked for. That must be a
// standard one: for a context with a Done of its own, every
// context.WithCancel beneath it would start a goroutine.
type ownContext interface {
	context.Context
	// owner returns the task, and the context outside of a scope whose end ends
	// its awaits too, or nil.
	owner() (t *task, level context.Context)
}

// contextBase is what tasks and scopes have for their contexts. All but std is
// fixed; std is asked for from any goroutine.
type contextBase struct {
	outer context.Context // whence values come, and for a scope also its end
	std   atomic.Pointer[stdContext]
	from  *contextBase // a task's own has been made from this one
}

type stdContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

func (c *contextBase) standard() *stdContext {
	if s := c.std.Load(); s != nil {
		return s
	}
	s := c.newStandard()
	if !c.std.CompareAndSwap(nil, s) {
		s.cancel(nil) // another goroutine was faster
		s = c.std.Load()
	}
	return s
}

func (c *contextBase) newStandard() *stdContext {
	ctx, cancel := context.WithCancelCause(c.outer)
	// The Done of one that was cancelled before anybody has asked for it is the
	// same for all contexts, and ownerOf tells contexts apart by it.
	ctx.Done()
	return &stdContext{ctx, cancel}
}

// cancel closes Done.
func (c *contextBase) cancel(cause error) { c.standard().cancel(cause) }

// renew gives a cancelled context a new, open Done. What was derived from the
// old one stays ended.
func (c *contextBase) renew() {
	if s := c.std.Load(); s != nil && s.Err() != nil {
		c.std.Store(c.newStandard())
	}
}

// end lets go of a scope's place among the children of its outer context.
func (c *contextBase) end() {
	if s := c.std.Load(); s != nil {
		s.cancel(nil)
	}
}

// value is Value for all keys but scopeKey.
func (c *contextBase) value(key any) any {
	// Many look a value up, few ask for Done. Whoever derives a context from
	// this one asks for Done first, so until then there is only the outer one
	// to ask.
	if std := c.std.Load(); std != nil {
		return std.Value(key)
	}
	return c.outer.Value(key)
}

// taskContext is a task as the context that its function is given. It has the
// values of outer, but neither its deadline nor its end: outer has neither.
//
// Most tasks have the values of others, and nobody asks for their Done. So they
// share a base, until somebody does.
type taskContext task

func (c *taskContext) owner() (*task, context.Context) { return (*task)(c), nil }
func (c *taskContext) Deadline() (time.Time, bool)     { return time.Time{}, false }
func (c *taskContext) Done() <-chan struct{}           { return c.own().standard().Done() }
func (c *taskContext) Err() error                      { return c.own().standard().Err() }
func (c *taskContext) String() string                  { return "asyncio: context of " + (*task)(c).name() }

// own returns a base that the task does not share.
func (c *taskContext) own() *contextBase {
	b := c.ctx.Load()
	if b.from != nil {
		return b
	}
	own := &contextBase{outer: b.outer, from: b}
	if c.ctx.CompareAndSwap(b, own) {
		return own
	}
	return c.ctx.Load() // another goroutine was faster
}

// shared returns the base that a task with the same values may share.
func (c *taskContext) shared() *contextBase {
	b := c.ctx.Load()
	if b.from != nil {
		return b.from
	}
	return b
}

func (c *taskContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c
	}
	return c.ctx.Load().value(key)
}

// scopeContext is the context of a [Timeout] or a [TaskGroup].
type scopeContext struct {
	task *task
	contextBase
}

// owner returns as level the end that the user has put around the scope, if any:
// a scope adds none, but it does not shut out that of a context that was derived
// and given to Timeout or Group.
func (c *scopeContext) owner() (*task, context.Context) {
	_, level := ownerOf(c.outer)
	return c.task, level
}

func (c *scopeContext) Deadline() (time.Time, bool) { return c.standard().Deadline() }
func (c *scopeContext) Done() <-chan struct{}       { return c.standard().Done() }
func (c *scopeContext) Err() error                  { return c.standard().Err() }
func (c *scopeContext) String() string              { return (*taskContext)(c.task).String() }

func (c *scopeContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c
	}
	return c.value(key)
}

type scopeKey struct{}

var _, _ ownContext = (*taskContext)(nil), (*scopeContext)(nil)

// baseOf returns a base with the values of ctx, and no end, for a new task. It
// passes over the contexts of this package, so that a task that starts its
// successor does not leave an ever longer chain of contexts behind it.
func baseOf(ctx context.Context) *contextBase {
	for {
		switch c := ctx.(type) {
		case *taskContext:
			return c.shared()
		case *scopeContext:
			ctx = c.outer
		case baseContext:
			return c.base
		default:
			if ctx == context.Background() {
				return &noValues
			}
			return &contextBase{outer: context.WithoutCancel(ctx)}
		}
	}
}

var noValues = contextBase{outer: context.Background()}

// baseContext is a base as a context, for many tasks that are to have the same
// values.
type baseContext struct {
	context.Context
	base *contextBase
}

// ownerOf finds the task whose context ctx is, or was derived from; nil when
// there is none. The second result is the context whose end an await has to
// heed, if any: ctx itself when it adds one of its own, or one outside of the
// scope that ctx is.
func ownerOf(ctx context.Context) (*task, context.Context) {
	switch c := ctx.(type) {
	case *taskContext: // the common path costs no walk
		return (*task)(c), nil
	case *scopeContext:
		return c.owner()
	case nil:
		return nil, nil
	}
	c, _ := ctx.Value(scopeKey{}).(ownContext)
	if c == nil {
		return nil, nil
	}
	t, level := c.owner()
	switch ctx.Done() {
	case nil:
		return t, nil // context.WithoutCancel
	case c.Done():
		return t, level // context.WithValue
	}
	return t, ctx
}

// taskOf is ownerOf without the end, which a context would make for the question.
func taskOf(ctx context.Context) *task {
	switch c := ctx.(type) {
	case *taskContext:
		return (*task)(c)
	case nil:
		return nil
	}
	c, _ := ctx.Value(scopeKey{}).(ownContext)
	if c == nil {
		return nil
	}
	t, _ := c.owner()
	return t
}

// loopOf returns the loop that ctx belongs to, for functions that do not wait.
func loopOf(ctx context.Context) (*Loop, error) {
	t := taskOf(ctx)
	if t == nil {
		return nil, ErrNoRunningLoop
	}
	if !coro.OnMarkedGoroutine() {
		return nil, ErrWrongGoroutine
	}
	return t.loop, nil
}

// enter is the door of every function that waits: it returns the task that runs,
// and a context whose end must end the wait, or nil.
//
// It is an error where the wait could not be: without a loop, on a foreign
// goroutine (whose wait would resume the loop beside the coroutine), in a
// callback, in a loop that is closing, or when the context has ended.
func enter(ctx context.Context) (t *task, level context.Context, err error) {
	if c, ok := ctx.(*taskContext); ok && coro.OnMarkedGoroutine() { // by far the most frequent case
		if l := c.loop; l.probe == nil && l.current == (*task)(c) && !l.closing {
			return l.current, nil, nil
		}
	}
	owner, level := ownerOf(ctx)
	if owner == nil {
		return nil, nil, ErrNoRunningLoop
	}
	if t, err = owner.loop.runningTask(); err != nil {
		return nil, nil, err
	}
	if owner != t {
		level = ctx // of another task: it adds its own end
	}
	if level != nil && level.Err() != nil {
		if t.mustCancel { // which has ended level too, and comes first
			t.mustCancel = t.insistent
			return nil, nil, &CancelledError{Cause: t.cancelCause()}
		}
		level = t.whatHolds(level)
		if err := level.Err(); err != nil {
			return nil, nil, err
		}
	}
	return t, level, nil
}

// heeded is a deadline that holds although the context that has it has ended.
type heeded struct {
	of, deadline context.Context
	stop         context.CancelFunc
}

func (h *heeded) end() {
	if h.stop != nil {
		h.stop()
	}
}

// whatHolds returns what is left of a context that has ended. One that was derived
// from the context of a task ends when the task is cancelled; to the task, which
// was told, and which may clean up, that is no news. So its deadline goes on to
// hold. Without a deadline nothing is left, and the context is returned as it is.
func (t *task) whatHolds(level context.Context) context.Context {
	own, _ := level.Value(scopeKey{}).(ownContext)
	at, ok := level.Deadline()
	if own == nil || !ok || own.Err() == nil || !errors.Is(context.Cause(level), context.Cause(own)) {
		return level
	}
	h := &t.withRare().heeded
	if h.of != level {
		h.end() // one at a time, so that waiting often does not leave many timers
		h.of = level
		h.deadline, h.stop = context.WithDeadline(context.WithoutCancel(level), at)
	}
	return h.deadline
}

// enter is the door of the loop's own functions that wait: ctx must be of it.
func (l *Loop) enter(ctx context.Context) (*task, context.Context, error) {
	t, level, err := enter(ctx)
	if err == nil && t.loop != l {
		err = ErrWrongLoop
	}
	return t, level, err
}

// runningTask returns the task that runs and may wait.
func (l *Loop) runningTask() (*task, error) {
	if !coro.OnMarkedGoroutine() {
		return nil, ErrWrongGoroutine
	}
	if l.probe != nil {
		if err := l.probe.wrongGoroutine(); err != nil {
			return nil, err
		}
		if err := l.probe.wrongThread(); err != nil {
			return nil, err
		}
	}
	t := l.current
	if t == nil {
		return nil, ErrNotInTask
	}
	if l.closing {
		return nil, t.refuse()
	}
	return t, nil
}

// RunningLoop returns the loop that ctx belongs to. It may be called in any
// goroutine. Python: get_running_loop.
func RunningLoop(ctx context.Context) (*Loop, error) {
	t := taskOf(ctx)
	if t == nil {
		return nil, ErrNoRunningLoop
	}
	return t.loop, nil
}
