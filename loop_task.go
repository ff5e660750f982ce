package asyncio

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// task is a Task without its value.
//
// A task that is not done is in one of three states:
//
//   - it waits for a future: waiter is that future, and the task is one of its
//     callbacks; or it is asleep, and its sleeper has its name;
//   - its next step is scheduled: waiter is nil, and the task is in the ready
//     queue, once;
//   - it runs: waiter is nil, and loop.current is the task, or a task that it
//     started eagerly is.
//
// It goes from the first to the second when the wait is over, or is
// interrupted, and from the second to the third in run. Nothing else may
// schedule it.
//
// While it is pending, its future.err is what the loop and the coroutine tell
// each other: what ended a wait, and in the end what the function returned.
//
// There may be very many tasks, so it is kept small: what few have is in
// taskRare, and what fits into a gap of future is there.
type task struct {
	future                             // its canceller is the shell; waits numbers the waits, for interrupts that come late
	ctx    atomic.Pointer[contextBase] // taskContext has the methods
	co     *coro.Coro                  // nil: its function has not begun
	waiter *future

	id         uint64
	sinceLow   uint32 // see since
	busy       uint32 // microseconds, of the steps that were timed
	parentID   uint32 // see parent
	sinceHigh  uint8
	asking     bool // it is passing a cancellation on to what it waits for
	rare       *taskRare
	sleeping   *sleeper // its timer, while it sleeps
	prev, next *task    // all tasks of the loop that are not done
}

// taskRare is what few tasks have.
type taskRare struct {
	name        string      // the one that was given
	cancels     int         // how often Cancel was called, less Uncancel
	cancelCause error       // of the cancellation that waits
	refusals    int         // awaits since the loop began to close
	scope       *levelScope // the innermost cancel scope that it is in
	scoped      bool        // it is of a group in a cancel scope
	condemned   bool        // all its waits fail: that scope is cancelled
	heeded      heeded
	noted       any // by the loop's probe
}

func (t *task) withRare() *taskRare {
	if t.rare == nil {
		t.rare = new(taskRare)
	}
	return t.rare
}

// cancelCause returns the cause of the cancellation that waits.
func (t *task) cancelCause() error {
	if t.rare == nil {
		return nil
	}
	return t.rare.cancelCause
}

func (t *task) setCancelCause(cause error) {
	t.withRare().cancelCause = cause
}

// cancelling is Cancelling.
func (t *task) cancelling() int {
	if t.rare == nil {
		return 0
	}
	return t.rare.cancels
}

// taskShell is the typed half of a task.
type taskShell interface {
	canceller
	call(ctx context.Context) error
	half() *task  // the other
	any() AnyTask // what the user has of it
	entry() any   // the function; nil once it has begun
}

func (t *task) shell() taskShell { return t.canceller.(taskShell) }
func (t *task) any() AnyTask     { return t.shell().any() }
func (t *task) half() *task      { return t }

// asTask returns the task whose future f is, or nil.
func (f *future) asTask() *task {
	if shell, ok := f.canceller.(taskShell); ok {
		return shell.half()
	}
	return nil
}

// AnyTask is a [*Task] of any type. All methods are for the loop's goroutine.
// Python: Task.
type AnyTask interface {
	Awaitable
	// Name returns the task's name. Python: Task.get_name.
	Name() string
	// SetName gives it another. Python: Task.set_name.
	SetName(name string)
	// Cancelling counts the calls of Cancel, less those of Uncancel. Python:
	// Task.cancelling.
	Cancelling() int
	// Uncancel takes one call of Cancel back and returns the count that is
	// left. Python: Task.uncancel.
	Uncancel() int
	// Context returns the context that the task's function got. Python:
	// Task.get_context.
	Context() context.Context
	// Stack returns where the task stands. Python: Task.get_stack.
	Stack() []runtime.Frame
	// PrintStack writes where the task stands. Python: Task.print_stack.
	PrintStack(w io.Writer) error
}

// A Task runs a coroutine: a function that may wait, in the loop's goroutine,
// without holding up anything else. It is a future for what the function
// returns. Python: Task.
//
// A task costs its coroutine's stack while it lives (two kilobytes and up) and one
// small allocation, the Task. To await it costs none, nor does
// it to sleep or to wait for a lock or a queue, unless very many do so at once.
// All methods are for the loop's goroutine.
type Task[T any] struct {
	task
	value T
	fn    func(context.Context) (T, error) // nil: it has begun
}

// TaskOption is an option of [CreateTask], [Go], [Spawn] and [TaskGroup.Go].
type TaskOption interface{ applyTask(*taskOptions) }

type taskOption func(*taskOptions)

func (f taskOption) applyTask(o *taskOptions) { f(o) }

type taskOptions struct {
	name  string
	eager bool
}

// WithName names the task, for messages. Without it a task is "Task-N".
// Python: name=.
func WithName(name string) TaskOption {
	return taskOption(func(o *taskOptions) { o.name = name })
}

// WithEagerStart runs the task at once until it first waits, inside the call
// that creates it. One that never waits costs no turn of the loop. Python:
// eager_start=True, eager_task_factory.
func WithEagerStart() TaskOption {
	return taskOption(func(o *taskOptions) { o.eager = true })
}

// CreateTask schedules fn to run as a task of the loop that ctx belongs to, and
// returns at once. The loop keeps the task until it is done. The context that
// fn is given has the values of ctx, but neither its deadline nor its end: a
// task ends by [Task.Cancel]. Python: create_task.
//
// It is for the loop's goroutine, in a task or a callback. Given a context of
// no loop, or called elsewhere, it panics with [ErrNoRunningLoop] or
// [ErrWrongGoroutine]: that is a mistake in the program, and the task could
// not be given back. On a loop that is closed, the task has already failed
// with [ErrLoopClosed].
func CreateTask[T any](ctx context.Context, fn func(context.Context) (T, error), opts ...TaskOption) *Task[T] {
	l, err := loopOf(ctx)
	if err != nil {
		panic(err)
	}
	return newTask(fn).begin(l, ctx, opts)
}

// Go is [CreateTask] for a function without a result. Python: create_task.
func Go(ctx context.Context, fn func(context.Context) error, opts ...TaskOption) *Task[struct{}] {
	l, err := loopOf(ctx)
	if err != nil {
		panic(err)
	}
	return newPlainTask(fn).begin(l, ctx, opts)
}

// CreateTaskOn is [CreateTask] where there is no coroutine's context: in a
// callback, or before the loop runs. Python: loop.create_task.
func CreateTaskOn[T any](l *Loop, fn func(context.Context) (T, error), opts ...TaskOption) *Task[T] {
	return newTask(fn).begin(l, context.Background(), opts)
}

// newTask returns a task that has not begun.
func newTask[T any](fn func(context.Context) (T, error)) *Task[T] {
	t := &Task[T]{fn: fn}
	t.future.canceller = t
	return t
}

// plainTask is a task whose function has no result. It could be a closure around
// that for a Task. But there may be very many that wait, and the collector would
// look at each closure, and at its frame in each stack.
type plainTask struct {
	Task[struct{}]
	plain func(context.Context) error // nil: it has begun
}

// newPlainTask is newTask for a function without a result.
func newPlainTask(fn func(context.Context) error) *Task[struct{}] {
	return new(plainTask).of(fn)
}

// of makes it a task of fn, that has not begun.
func (t *plainTask) of(fn func(context.Context) error) *Task[struct{}] {
	t.plain = fn
	t.future.canceller = t
	return &t.Task
}

// begin makes the task one of the loop's, with the values of ctx.
func (t *Task[T]) begin(l *Loop, ctx context.Context, opts []TaskOption) *Task[T] {
	t.init(l, ctx)
	if l.closing {
		t.setError(ErrLoopClosed)
		return t
	}
	eager := t.configure(opts)
	if l.probe != nil {
		l.probe.made(&t.task)
	}
	t.start(eager)
	return t
}

func (t *task) configure(opts []TaskOption) (eager bool) {
	if len(opts) == 0 {
		return false
	}
	var c taskOptions
	for _, o := range opts {
		o.applyTask(&c)
	}
	if c.name != "" {
		t.setName(c.name)
	}
	return c.eager
}

func (t *task) init(l *Loop, ctx context.Context) {
	t.future.loop = l
	t.ctx.Store(baseOf(ctx))
}

// start puts the task among the loop's tasks and schedules its first step, or
// takes it when the task is to start eagerly.
func (t *task) start(eager bool) {
	l := t.loop
	l.tasks.made++
	t.id = l.tasks.made
	l.tasks.add(t)
	if l.notes.level != notesOff {
		l.noteMade(t)
	}
	if eager && l.running {
		t.step()
	} else {
		l.ready.Push(t)
	}
}

// run is the task's next step, taken by the loop's own goroutine. It comes back
// when something is to be done that is not a task's step; until then the
// coroutines let each other go on.
func (t *task) run() {
	if t.loop.probe != nil {
		t.step()
	} else if t.prepare() {
		t.loop.coros.Switch(t.co)
	}
}

// prepare makes ready all that the task's next step needs, and reports whether
// there is one: a task that was cancelled before it began ends here.
func (t *task) prepare() bool {
	l := t.loop
	thrown := t.future.err // what interrupted the wait
	if thrown == nil && t.waiter != nil {
		if thrown = t.waiter.err; !t.mustCancel { // else the task will not see it
			t.waiter.retrieved = true
		}
	}
	if t.mustCancel {
		if !IsCancelled(thrown) {
			thrown = &CancelledError{Cause: t.cancelCause()}
		}
	}
	t.mustCancel = t.insistent
	t.waiter = nil
	t.future.err = thrown

	if t.co == nil {
		if thrown != nil {
			t.finish()
			return false
		}
		t.co = l.coros.Get((*taskRunner)(t))
	}
	l.current = t
	if l.notes.level != notesOff {
		t.setSince(l.now)
		if l.notes.level == notesTimed {
			l.noteRun(t)
		}
	}
	return true
}

// step is the task's next step, taken by whoever calls it: it comes back when
// the task waits again or has ended.
func (t *task) step() {
	l := t.loop
	outer := l.current
	if t.prepare() && t.resume(outer) {
		l.coros.Put(t.co)
		t.co = nil
		t.finish()
	}
}

// resume lets the task go on inside outer, which is the running task again when
// resume returns, and also when the task has ended the goroutine.
func (t *task) resume(outer *task) (ended bool) {
	l := t.loop
	defer func() { l.current = outer }()
	if l.probe != nil {
		return l.probe.resume(t)
	}
	return l.coros.Resume(t.co)
}

// successor returns the coroutine that goes on after one that has stopped: that
// of the task whose step is next, or the loop's own, which does all else.
//
// It is called deep in the stacks of tasks, so it calls nothing that needs much
// of a stack: that would make it grow for good. So a new coroutine is for the
// loop's own to make.
func (l *Loop) successor() *coro.Coro {
	for l.probe == nil && (l.pace.batch > 0 || l.nextBatch()) {
		t, ok := l.ready.First().(*task)
		if !ok || t.co == nil && l.coros.Idle() == 0 {
			break
		}
		l.ready.Pop()
		l.pace.batch--
		if t.prepare() {
			return t.co
		}
	}
	l.current = nil
	return l.coros.Root()
}

// taskRunner is a task as its coroutine sees it. It is a type of its own so that a
// Task, which has the methods of a task, has no Run.
type taskRunner task

// Run runs the task's function.
func (r *taskRunner) Run() {
	t := (*task)(r)
	returned := false
	defer func() {
		if !returned { // Ended knows whether it was a Goexit
			t.future.err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	if p := t.loop.probe; p != nil {
		p.begin(t)
	}
	if plain, ok := t.canceller.(*plainTask); ok {
		fn := plain.plain
		plain.plain = nil
		t.future.err = fn((*taskContext)(t))
	} else {
		t.future.err = t.shell().call((*taskContext)(t))
	}
	returned = true
}

// Ended ends the task on its coroutine, where step is not there to do it.
func (r *taskRunner) Ended(returned bool) {
	t := (*task)(r)
	if !returned {
		t.exited()
	}
	t.co = nil
	t.finish()
}

// exited is for a task that has ended its goroutine: the Goexit goes on through
// the loop to whoever runs that, and no step of this task comes back.
func (t *task) exited() {
	t.loop.current = nil
	if p := t.future.err.(*PanicError); p.Value != nil {
		t.future.err = fmt.Errorf("%w; in a deferred function: %w", ErrGoexit, p)
		return
	}
	t.future.err = ErrGoexit
	t.future.retrieved = true // whoever ended the goroutine knows
}

// finish settles the task by what its function returned.
func (t *task) finish() {
	t.loop.tasks.remove(t)
	if t.loop.notes.level != notesOff {
		t.loop.noteEnded(t)
	}
	if t.rare != nil {
		t.rare.heeded.end()
	}
	err := t.future.err
	t.future.err = nil
	switch {
	case err != nil:
		t.setError(err)
	case t.mustCancel && !t.insistent: // it was cancelled in its last step
		t.mustCancel = false
		t.cancelPlain(t.cancelCause())
	default:
		t.setResult()
	}
}

// suspend goes back to the loop. Whoever calls it has made sure that the task
// will be scheduled. It returns what ended the wait.
func (t *task) suspend() (err error) {
	t.waits++
	t.loop.coros.Suspend()
	err, t.err = t.err, nil
	return err
}

// wait suspends the task, which must be the running one, until f is done. It
// returns the error of f, or what came first: a cancellation of the task, or the
// end of level, if that is not nil.
func (t *task) wait(f *future, level context.Context) error {
	if f.state != pending {
		return f.outcome()
	}
	if f.loop != t.loop {
		return fmt.Errorf("await: %w", ErrWrongLoop)
	}
	if f == &t.future {
		return ErrAwaitSelf
	}
	if t.loop.closing { // a function that waits several times has entered before
		return t.refuse()
	}
	f.add(t)
	t.waiter = f
	if t.mustCancel && f.cancel(t.cancelCause()) {
		t.mustCancel = t.insistent
	}
	if level != nil && level.Done() != nil {
		return t.suspendUntil(level)
	}
	return t.suspend()
}

// suspendUntil is suspend that the end of level interrupts.
func (t *task) suspendUntil(level context.Context) error {
	stop := t.interruptAfter(level)
	defer stop()
	return t.suspend()
}

// yield suspends the task for one turn of the loop.
func (t *task) yield() error {
	t.loop.ready.Push(t)
	return t.suspend()
}

// interrupt ends the wait of that number with err, if it is still under way
// and what it waits for is not done.
func (t *task) interrupt(wait uint32, err error) {
	if t.waits == wait {
		t.interruptWith(err)
	}
}

// interruptWith ends the wait that is under way with err, if what it waits for
// is not done.
func (t *task) interruptWith(err error) bool {
	switch {
	case t.asleep():
		t.sleeping.task = nil
	case t.waiter != nil && t.waiter.remove(t):
		t.waiter = nil
	default:
		return false
	}
	t.future.err = err
	t.loop.ready.Push(t)
	return true
}

// refuse is for awaits in a loop that is closing: it returns the error that they
// return. A task that does not take a thousand of them for an answer is
// suspended for good, and unwound by the loop.
func (t *task) refuse() error {
	r := t.withRare()
	r.refusals++
	if r.refusals > maxRefusals {
		t.loop.coros.Suspend()
	}
	return ErrLoopClosed
}

const maxRefusals = 1000

func (t *task) name() string {
	if name := t.givenName(); name != "" {
		return name
	}
	return defaultName(t.id)
}

// givenName returns the name that the task was given, or "".
func (t *task) givenName() string {
	if t.rare == nil {
		return ""
	}
	return t.rare.name
}

func defaultName(id uint64) string { return "Task-" + strconv.FormatUint(id, 10) }

// setName names the task. The name is in a new taskRare: who looks from another
// goroutine at a loop that hangs reads one word, and never half of a string.
func (t *task) setName(name string) {
	var r taskRare
	if t.rare != nil {
		r = *t.rare
	}
	r.name = name
	t.rare = &r
}

func (t *Task[T]) any() AnyTask { return t }

func (t *Task[T]) entry() any {
	if t.fn == nil {
		return nil
	}
	return t.fn
}

func (t *Task[T]) call(ctx context.Context) (err error) {
	fn := t.fn
	t.fn = nil // what it holds may go while the task runs
	t.value, err = fn(ctx)
	return err
}

// entry implements taskShell.
func (t *plainTask) entry() any {
	if t.plain == nil {
		return nil
	}
	return t.plain
}

// Done reports whether the task has ended. Python: Task.done.
func (t *Task[T]) Done() bool { return t.future.Done() }

// Cancelled reports whether the task ended by a cancellation: its function
// returned an error that [IsCancelled]. Python: Task.cancelled.
func (t *Task[T]) Cancelled() bool { return t.future.Cancelled() }

// Result returns what the function returned; [ErrInvalidState] while the task has
// not ended. Python: Task.result.
func (t *Task[T]) Result() (T, error) { return t.value, t.future.Err() }

// Err returns the error that the function returned; [ErrInvalidState] while the
// task has not ended. Python: Task.exception.
func (t *Task[T]) Err() error { return t.future.Err() }

// Cancel makes the await at which the task stands, or its next one, return a
// [*CancelledError], once. The task may clean up, and it may go on; then
// Cancelled stays false. While a cancellation is requested, Done of the task's
// context is closed. It returns false when the task has ended. Python: Task.cancel.
func (t *Task[T]) Cancel() bool { return t.future.CancelCause(nil) }

// CancelCause is [Task.Cancel] with a cause, which the [*CancelledError] wraps and
// [context.Cause] of the task's context finds. Python: Task.cancel(msg).
func (t *Task[T]) CancelCause(cause error) bool { return t.future.CancelCause(cause) }

// Cancelling counts the calls of Cancel, less those of Uncancel. Python:
// Task.cancelling.
func (t *Task[T]) Cancelling() int { return t.cancelling() }

// Uncancel takes one call of Cancel back and returns the count that is left. At
// zero a cancellation that was not delivered yet is dropped, and the task's
// context gets a new Done. Python: Task.uncancel.
func (t *Task[T]) Uncancel() int { return t.uncancel() }

// AddDoneCallback makes the loop call fn in the turn after the task has ended.
// remove takes that back and reports whether it was in time. Python:
// Task.add_done_callback, remove_done_callback.
func (t *Task[T]) AddDoneCallback(fn func()) (remove func() bool) {
	return t.future.AddDoneCallback(fn)
}

// Loop returns the task's loop. Python: Task.get_loop.
func (t *Task[T]) Loop() *Loop { return t.loop }

// Name returns the task's name. Python: Task.get_name.
func (t *Task[T]) Name() string { return t.name() }

// SetName changes the name of the task. Python: Task.set_name.
func (t *Task[T]) SetName(name string) { t.setName(name) }

// Context returns the context that the task's function got. Python:
// Task.get_context.
func (t *Task[T]) Context() context.Context { return (*taskContext)(&t.task) }

// Await suspends the running task until this one has ended, and returns its
// result. Cancelling the running task cancels this one; [Shield] prevents
// that. The end of a context that was derived from the running task's ends the
// wait only. Python: await.
func (t *Task[T]) Await(ctx context.Context) (T, error) {
	if err := await(ctx, &t.future); err != nil {
		var zero T
		return zero, err
	}
	return t.value, nil
}

// CurrentTask returns the task that runs, or nil in a callback or outside of a
// loop. Python: current_task.
func CurrentTask(ctx context.Context) AnyTask {
	l, err := loopOf(ctx)
	if err != nil {
		return nil
	}
	return l.CurrentTask()
}

// AllTasks returns the tasks of ctx's loop that have not ended, in the order in
// which they were created. Python: all_tasks.
func AllTasks(ctx context.Context) []AnyTask {
	l, err := loopOf(ctx)
	if err != nil {
		return nil
	}
	return l.AllTasks()
}

func (t *task) dependent() *future { return &t.future }
