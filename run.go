package asyncio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Run makes a loop, runs main on it as a task, on the calling goroutine, and
// closes the loop. It returns what main returned. Python: run.
//
// When main has returned, the tasks that are left are cancelled and awaited,
// then the default executor is shut down. A task that does not end is
// cancelled again a few times, and at last unwound; each is reported.
//
// When ctx ends, main is cancelled, once, as by [Task.Cancel]; if it returns
// the cancellation, the error of Run wraps the cause of ctx's end too. Inside a
// coroutine Run returns [ErrLoopRunning].
//
// In the main goroutine, and when ctx has no end, Run handles interrupts (^C):
// the first cancels main and makes the error an [*InterruptError], the second
// ends the program. See [WithInterrupts].
func Run(ctx context.Context, main func(context.Context) error, opts ...Option) error {
	_, err := runTask(ctx, newPlainTask(main), opts)
	return err
}

// RunValue is [Run] for a main with a result. Python: run.
func RunValue[T any](ctx context.Context, main func(context.Context) (T, error), opts ...Option) (T, error) {
	return runTask(ctx, newTask(main), opts)
}

func runTask[T any](ctx context.Context, t *Task[T], opts []Option) (v T, err error) {
	r, err := NewRunner(opts...)
	if err != nil {
		return v, err
	}
	defer func() { err = joinClose(err, r.Close()) }()
	return runOn(ctx, r, t)
}

// A Runner runs several main functions one after another on the same loop.
// Python: Runner.
type Runner struct{ loop *Loop }

// NewRunner makes a runner, which must be closed. Python: Runner().
func NewRunner(opts ...Option) (*Runner, error) {
	l, err := NewLoop(opts...)
	if err != nil {
		return nil, err
	}
	return &Runner{l}, nil
}

// Loop returns the runner's loop. Python: Runner.get_loop.
func (r *Runner) Loop() *Loop { return r.loop }

// Run runs main as a task until it has returned. See [Run] for what the end of
// ctx does. Python: Runner.run.
func (r *Runner) Run(ctx context.Context, main func(context.Context) error) error {
	_, err := runOn(ctx, r, newPlainTask(main))
	return err
}

// RunOn is [Runner.Run] for a main with a result. Python: Runner.run.
func RunOn[T any](ctx context.Context, r *Runner, main func(context.Context) (T, error)) (T, error) {
	return runOn(ctx, r, newTask(main))
}

func runOn[T any](ctx context.Context, r *Runner, t *Task[T]) (T, error) {
	var zero T
	l := r.loop
	switch {
	case ctx == nil:
		return zero, fmt.Errorf("asyncio: run: the context is nil")
	case l.closed:
		return zero, fmt.Errorf("run: %w", ErrLoopClosed)
	case l.running:
		return zero, fmt.Errorf("run: %w", ErrLoopRunning)
	}
	if err := l.arrive(); err != nil { // before main could be left for the next run
		return zero, err
	}
	if p, ok := l.onRun.(*presence); ok {
		p.values = ctx
		defer func() { p.values = context.Background() }()
	}
	t.begin(l, ctx, nil)
	stop := context.AfterFunc(ctx, func() {
		_, _ = l.CallSoonThreadsafe(func() { t.CancelCause(context.Cause(ctx)) })
	})
	defer stop()
	interrupts := l.handleInterrupts(ctx, &t.task)
	defer interrupts.stop()
	err := l.until(t)
	if !t.Done() {
		return zero, err
	}
	interrupts.stop()
	err = interrupts.outcome(err)
	if t.Cancelled() && ctx.Err() != nil {
		err = &endedError{op: "run", cancelled: err, cause: context.Cause(ctx)}
	}
	return t.value, err
}

// Close ends the tasks that are left, shuts the default executor down and
// closes the loop. Python: Runner.close.
func (r *Runner) Close() (err error) {
	l := r.loop
	if l.closed {
		return nil
	}
	if l.running {
		return ErrLoopRunning
	}
	defer func() { err = joinClose(err, l.Close()) }() // also when a task ends the goroutine
	if err := l.cancelAll(); err != nil {
		return err
	}
	return l.shutdownExecutor()
}

// Go code often handles any error and goes on, and so swallows a cancellation
// that Python code would let through. So tasks are cancelled again, a few
// times, before the loop gives up on them.
const (
	cancelRounds = 5
	cancelGrace  = 200 * time.Millisecond
)

// cancelAll cancels what is left and runs the loop until it has ended.
func (l *Loop) cancelAll() error {
	for range cancelRounds {
		if l.tasks.n == 0 {
			return nil
		}
		for _, t := range l.AllTasks() {
			t.Cancel()
		}
		timer := l.CallLater(cancelGrace, l.Stop)
		watch := &taskWatch{loop: l}
		for t := l.tasks.head; t != nil; t = t.next {
			watch.left++
			t.add(watch)
		}
		err := l.RunForever()
		timer.Cancel()
		for t := l.tasks.head; t != nil; t = t.next {
			t.remove(watch)
		}
		if err != nil && !errors.Is(err, ErrDeadlock) {
			return err
		}
	}
	if l.tasks.n > 0 {
		l.reportStuck()
	}
	return nil
}

// taskWatch stops the loop when all tasks it was added to have ended.
type taskWatch struct {
	loop *Loop
	left int
}

func (w *taskWatch) run() {
	if w.left--; w.left == 0 {
		w.loop.Stop()
	}
}

// reportStuck logs the tasks that ignore being cancelled, and where they stand,
// which is what one needs to know.
func (l *Loop) reportStuck() {
	var names []string
	var stacks strings.Builder
	for t := l.tasks.head; t != nil && len(names) < 20; t = t.next {
		names = append(names, t.name())
		_ = t.any().PrintStack(&stacks)
	}
	l.logger().Error("asyncio: tasks ignore being cancelled; they are ended now\n"+stacks.String(),
		"count", l.tasks.n, "tasks", strings.Join(names, ", "))
}
