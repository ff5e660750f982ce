package asyncio

import (
	"context"
	"errors"
)

// ErrGroupClosed is the error of a task that was to be started in a
// [TaskGroup] that has ended, or is ending because something failed in it.
// Python: RuntimeError.
var ErrGroupClosed = errors.New("asyncio: the task group takes no more tasks")

// A TaskGroup is tasks that end together. See [Group]. Its methods are for the
// loop's goroutine. Python: TaskGroup.
type TaskGroup struct {
	ctx        scopeContext
	head, tail *groupMember // the tasks that have not ended, the oldest first
	n          int
	errs       []error
	exiting    bool // body has returned
	aborting   bool // the tasks were cancelled
	cancelled  bool // and so was the parent, by the group
	left       bool // because Cancel was called
	waiting    bool // for empty
	empty      future
	cause      error // of the last cancellation that came while it waited

	scope   *levelScope // in a cancel scope: where the group is; else nil
	telling bool        // it is about to condemn its tasks
	told    bool        // and has condemned some
}

// groupMember is a task of a group, and its callback.
type groupMember struct {
	g          *TaskGroup
	t          *task
	prev, next *groupMember
}

// Group runs body in the running task, and waits for the tasks that were
// started in the group. Whatever happens, none is left when it returns.
//
// When body or a task fails, all others are cancelled, and body's context ends;
// then Group returns a [*GroupError] with all errors. A task that ends by a
// cancellation is no failure. When the running task is cancelled, all tasks
// are, and Group returns the cancellation, if nothing failed. A panic of body
// goes on when the tasks have ended. Python: async with TaskGroup().
func Group(ctx context.Context, body func(ctx context.Context, g *TaskGroup) error) (err error) {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	g := &TaskGroup{}
	g.ctx.task, g.ctx.outer = t, ctx
	if t.inScopes() {
		g.scope = &levelScope{tell: g.tell}
		t.enterScope(g.scope)
	}
	returned := false
	defer func() {
		if !returned { // a panic, which goes on
			g.abandon()
		}
	}()
	err = body(&g.ctx, g)
	returned = true
	return g.exit(err, level)
}

// Spawn starts fn as a task of the group: [CreateTask] for a TaskGroup. When
// the group takes no more tasks, fn is not called, and the task that is given
// has failed with [ErrGroupClosed]. Python: TaskGroup.create_task.
func Spawn[T any](g *TaskGroup, fn func(context.Context) (T, error), opts ...TaskOption) *Task[T] {
	return startIn(g, newTask(fn), opts)
}

func startIn[T any](g *TaskGroup, t *Task[T], opts []TaskOption) *Task[T] {
	l, err := loopOf(&g.ctx)
	if err != nil {
		panic(err)
	}
	if g.aborting || g.exiting && g.n == 0 {
		t.init(l, context.Background())
		t.configure(opts)
		t.setError(ErrGroupClosed)
		return t
	}
	t.begin(l, &g.ctx, opts)
	g.add(&t.task)
	return t
}

// Go is [Spawn] for a function without a result. Python: TaskGroup.create_task.
func (g *TaskGroup) Go(fn func(context.Context) error, opts ...TaskOption) *Task[struct{}] {
	return startIn(g, newPlainTask(fn), opts)
}

// add puts t into the group. That an eager task may have ended already makes no
// difference: were its failure heeded at once, it would cancel the parent in
// the middle of Spawn.
func (g *TaskGroup) add(t *task) {
	m := &groupMember{g: g, t: t, prev: g.tail}
	if g.tail == nil {
		g.head = m
	} else {
		g.tail.next = m
	}
	g.tail = m
	g.n++
	t.future.add(m)
	if g.scope != nil {
		t.withRare().scoped = true
		if g.isCancelled() {
			g.tell()
		}
	}
}

// isCancelled reports whether a cancel scope around the group is cancelled.
func (g *TaskGroup) isCancelled() bool {
	t := g.ctx.task
	if g.scope == nil { // an eager task may have made it before it was known to be in one
		return t.rare != nil && t.rare.condemned
	}
	return t.isCancelledIn(g.scope)
}

// tell condemns the tasks of a group whose scope is cancelled, soon: those that have
// not begun come to their first wait before, and are condemned then.
func (g *TaskGroup) tell() {
	if g.telling {
		return
	}
	g.telling = true
	g.ctx.task.loop.ready.Push(newHandle(func() {
		g.telling = false
		if !g.isCancelled() {
			return
		}
		for m := g.head; m != nil; m = m.next {
			if m.t.co == nil {
				g.tell()
				continue
			}
			g.told = true
			m.t.condemn()
		}
	}))
}

func (g *TaskGroup) remove(m *groupMember) {
	if m.prev == nil {
		g.head = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		g.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
	g.n--
}

// run notes that a task has ended.
func (m *groupMember) run() {
	g := m.g
	g.remove(m)
	if g.n == 0 && g.waiting && g.empty.state == pending {
		g.empty.setResult()
	}
	if m.t.state == cancelled {
		return
	}
	err := m.t.outcome()
	if err == nil {
		return
	}
	g.errs = append(g.errs, err)
	if g.aborting {
		return
	}
	// The parent is cancelled to end what it waits for in body, or in exit;
	// exit takes that back.
	g.abort()
	g.cancelled = true
	g.ctx.cancel(err)
	g.ctx.task.requestCancel(nil)
}

// Cancel ends the group: the tasks that have not ended and body are cancelled,
// and no more are taken. Those are no errors: if nothing else fails, [Group]
// returns nil. It may be called in body or in any task of the group, more than
// once, and does nothing when the group has ended or fails already. Python:
// TaskGroup.cancel.
func (g *TaskGroup) Cancel() {
	if g.aborting || g.exiting && !g.waiting {
		return
	}
	g.abort()
	g.left = true
	if !g.exiting {
		g.cancelled = true
		g.ctx.cancel(&CancelledError{})
		g.ctx.task.requestCancel(nil)
	}
}

// abort cancels all tasks.
func (g *TaskGroup) abort() {
	g.aborting = true
	cancelled := g.isCancelled()
	for m := g.head; m != nil; m = m.next {
		if cancelled {
			m.t.condemn() // which heeds the scopes in the task
		} else {
			m.t.cancel(nil)
		}
	}
}

// join waits until all tasks have ended. A cancellation of the parent, or the
// end of level, cancels them, and is returned then.
func (g *TaskGroup) join(level context.Context) (ended error) {
	parent := g.ctx.task
	told := func() {}
	defer func() { told() }()
	for g.n > 0 {
		g.empty = future{loop: g.ctx.task.loop}
		g.waiting = true
		err := parent.wait(&g.empty, level)
		g.waiting = false
		if err == nil {
			continue
		}
		if errors.Is(err, ErrLoopClosed) {
			return err // nothing runs any more that could be waited for
		}
		g.cause = causeOf(err)
		if !g.aborting {
			ended = err
			g.abort()
		} else if g.left && ended == nil {
			ended = err // somebody else's: what Cancel did to the parent was taken back
		}
		level = nil // it is heard only once, or this would never wait again
		told()
		told = parent.patient()
	}
	return ended
}

// exit is the end of the group, after body has returned err.
func (g *TaskGroup) exit(err error, level context.Context) error {
	g.exiting = true
	defer g.end()
	parent := g.ctx.task
	var ended error // what says that the parent, not something in the group, was to end
	if g.left && g.cancelled {
		// Taken back before the group waits, so that a cancellation which comes
		// then is known to be another's.
		passedOn := err != nil && g.isCancellation(err, level)
		if g.cancelled = false; g.takeBack() && passedOn {
			err = nil
		}
	}
	if err != nil {
		if g.isCancellation(err, level) {
			ended, err = err, nil
		}
		if !g.aborting {
			g.abort()
		}
		if level != nil && level.Err() != nil {
			level = nil
		}
	}
	if e := g.join(level); e != nil {
		ended = e
		if errors.Is(e, ErrLoopClosed) {
			return e
		}
	}
	if g.cancelled && g.takeBack() {
		ended = nil // it was this group that cancelled the parent, and nobody else
	}
	if err != nil {
		g.errs = append(g.errs, err)
	}
	if len(g.errs) == 0 {
		if ended == nil && g.told && parent.insistent {
			ended = &CancelledError{} // the tasks were, and nobody else would say so
		}
		return ended
	}
	if parent.cancelledDirectly() > 0 {
		// The failures hide that the parent was cancelled by others too. So its
		// next await says it again.
		cause := g.cause
		if cause == nil {
			cause = causeOf(ended)
		}
		parent.uncancel()
		parent.cancel(cause)
	}
	return &GroupError{Message: "unhandled errors in a TaskGroup", Errors: g.errs}
}

// takeBack takes the group's own cancellation of the parent back, and reports whether
// there is no other.
func (g *TaskGroup) takeBack() bool {
	parent := g.ctx.task
	parent.uncancel()
	return parent.cancelledDirectly() == 0 && !parent.insistent
}

// end is when nothing is left of the group.
func (g *TaskGroup) end() {
	g.ctx.end()
	if g.scope != nil {
		g.ctx.task.leaveScope()
	}
}

// isCancellation reports whether the body's error only passes on that it was to
// end: a cancellation, the error of the body's context after the group has
// ended that, or the error of a context outside that has ended.
func (g *TaskGroup) isCancellation(err error, level context.Context) bool {
	switch {
	case IsCancelled(err):
		return true
	case (g.cancelled || g.left) && isChained(err, context.Canceled):
		return true
	case level != nil && level.Err() != nil:
		return isChained(err, level.Err())
	}
	return false
}

// abandon is the end of the group when body panics. Nobody will be given the
// errors of the tasks, so they are reported.
func (g *TaskGroup) abandon() {
	g.exiting = true
	g.abort()
	_ = g.join(context.Background())
	if g.cancelled {
		g.ctx.task.uncancel()
	}
	g.end()
	for _, err := range g.errs {
		g.ctx.task.loop.handleException(ExceptionContext{
			Message: "a task of a group failed, whose body panicked",
			Err:     err,
			Task:    g.ctx.task.any(),
		})
	}
}

// causeOf returns the cause of a cancellation.
func causeOf(err error) error {
	var c *CancelledError
	if errors.As(err, &c) {
		return c.Cause
	}
	return nil
}

func (m *groupMember) dependent() *future { return &m.g.ctx.task.future }
func (m *groupMember) waits() bool        { return m.g.waiting }
