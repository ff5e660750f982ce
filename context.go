package asyncio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// A scopeContext is the context that a coroutine is given: the task's own, or
// inside it that of a [Timeout] or a [TaskGroup].
//
// What it says to this package is which loop it belongs to; the loop knows
// which task runs. What it says to everybody else, Done, Err and Value, it
// leaves to a standard context, made when first asked for. That must be a
// standard one: for a context with a Done of its own, every
// context.WithCancel beneath it would start a goroutine.
type scopeContext struct {
	task  *task
	outer context.Context // whence values come, and for a scope also its end
	scope bool            // false: the task's own context, which outer does not end

	// std is asked for from any goroutine; all else is fixed.
	std atomic.Pointer[stdContext]
}

type stdContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

type scopeKey struct{}

var _ context.Context = (*scopeContext)(nil)

func (c *scopeContext) standard() *stdContext {
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

func (c *scopeContext) newStandard() *stdContext {
	parent := c.outer
	if !c.scope {
		parent = context.WithoutCancel(parent)
	}
	ctx, cancel := context.WithCancelCause(parent)
	return &stdContext{ctx, cancel}
}

// cancel closes Done.
func (c *scopeContext) cancel(cause error) { c.standard().cancel(cause) }

// renew gives a cancelled context a new, open Done. What was derived from the
// old one stays ended.
func (c *scopeContext) renew() {
	if s := c.std.Load(); s != nil && s.Err() != nil {
		c.std.Store(c.newStandard())
	}
}

// end lets go of a scope's place among the children of its outer context.
func (c *scopeContext) end() {
	if s := c.std.Load(); s != nil {
		s.cancel(nil)
	}
}

// Deadline is that of a scope's outer context, and never that of a task's.
func (c *scopeContext) Deadline() (time.Time, bool) { return c.standard().Deadline() }
func (c *scopeContext) Done() <-chan struct{}       { return c.standard().Done() }
func (c *scopeContext) Err() error                  { return c.standard().Err() }

func (c *scopeContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c
	}
	// Many look a value up, few ask for Done. Whoever derives a context from
	// this one asks for Done first, so until then there is only the outer one
	// to ask; but not for its end, of which package context keeps the cause as
	// a value.
	switch std := c.std.Load(); {
	case std != nil:
		return std.Value(key)
	case c.scope:
		return c.outer.Value(key)
	case c.outer == context.Background():
		return nil
	}
	return context.WithoutCancel(c.outer).Value(key)
}

func (c *scopeContext) String() string {
	return "asyncio: context of " + c.task.name()
}

// valuesOf gives a context for the values of a new task. It passes over the
// contexts of this package, so that a task that starts its successor does not
// leave an ever longer chain of contexts behind it.
func valuesOf(ctx context.Context) context.Context {
	for {
		c, ok := ctx.(*scopeContext)
		if !ok {
			return ctx
		}
		ctx = c.outer
	}
}

// scopeOf finds the context of this package that ctx is, or was derived from;
// nil when there is none. The second result is the context whose end an await
// has to heed, if any: ctx itself when it adds one of its own, or one outside
// of the scope that ctx is.
func scopeOf(ctx context.Context) (*scopeContext, context.Context) {
	if c, ok := ctx.(*scopeContext); ok { // the common path costs no walk
		return c, c.level()
	}
	if ctx == nil {
		return nil, nil
	}
	c, _ := ctx.Value(scopeKey{}).(*scopeContext)
	if c == nil {
		return nil, nil
	}
	switch ctx.Done() {
	case nil:
		return c, nil // context.WithoutCancel
	case c.Done():
		return c, c.level() // context.WithValue
	}
	return c, ctx
}

// level gives the context outside of a scope whose end ends its awaits too: a
// scope adds none, but it does not shut out that of a context that the user
// derived and gave to Timeout or Group.
func (c *scopeContext) level() context.Context {
	if !c.scope {
		return nil
	}
	_, level := scopeOf(c.outer)
	return level
}

// loopOf gives the loop that ctx belongs to, for functions that do not wait.
func loopOf(ctx context.Context) (*Loop, error) {
	c, _ := scopeOf(ctx)
	if c == nil {
		return nil, ErrNoRunningLoop
	}
	if !coro.OnMarkedGoroutine() {
		return nil, ErrWrongGoroutine
	}
	return c.task.loop, nil
}

// enter is the door of every function that waits: it gives the task that runs,
// and a context whose end must end the wait, or nil.
//
// It is an error where the wait could not be: without a loop, on a foreign
// goroutine (whose wait would resume the loop beside the coroutine), in a
// callback, in a loop that is closing, or when the context has ended.
func enter(ctx context.Context) (t *task, level context.Context, err error) {
	c, level := scopeOf(ctx)
	if c == nil {
		return nil, nil, ErrNoRunningLoop
	}
	if t, err = c.task.loop.runningTask(); err != nil {
		return nil, nil, err
	}
	if c.task != t {
		level = ctx // of another task: it adds its own end
	}
	if level != nil && level.Err() != nil {
		if t.mustCancel { // which has ended level too, and comes first
			t.mustCancel = false
			return nil, nil, &CancelledError{Message: t.cancelMessage()}
		}
		return nil, nil, level.Err()
	}
	return t, level, nil
}

// enter is the door of the loop's own functions that wait: ctx must be of it.
func (l *Loop) enter(ctx context.Context) (*task, context.Context, error) {
	t, level, err := enter(ctx)
	if err == nil && t.loop != l {
		err = ErrWrongLoop
	}
	return t, level, err
}

// runningTask gives the task that runs and may wait.
func (l *Loop) runningTask() (*task, error) {
	if !coro.OnMarkedGoroutine() {
		return nil, ErrWrongGoroutine
	}
	if l.probe != nil {
		if err := l.probe.wrongGoroutine(); err != nil {
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

// GetRunningLoop gives the loop that ctx belongs to. It may be called in any
// goroutine. Python: get_running_loop.
func GetRunningLoop(ctx context.Context) (*Loop, error) {
	c, _ := scopeOf(ctx)
	if c == nil {
		return nil, ErrNoRunningLoop
	}
	return c.task.loop, nil
}
