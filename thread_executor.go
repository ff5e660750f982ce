package asyncio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// ErrExecutorShutdown is returned for a job given to an executor that was shut
// down, or dropped by that before it began.
var ErrExecutorShutdown = errors.New("asyncio: the executor is shut down")

// An Executor runs functions that block somewhere else than on the loop's
// goroutine. Python: concurrent.futures.Executor.
//
// Its methods may be called from any goroutine.
type Executor interface {
	// Submit has fn called, once, on another goroutine, and returns at once.
	// fn is given ctx. When ctx ends before its turn has come, fn must be
	// called all the same: it returns at once then. An error says that fn
	// will not be called.
	Submit(ctx context.Context, fn func(ctx context.Context)) error
	// Shutdown takes no more functions, and waits until those that it has
	// have returned. When ctx ends first it drops those that have not begun,
	// and gives an error.
	Shutdown(ctx context.Context) error
}

// RunInExecutor runs fn on a goroutine of the executor, or of the loop's
// default one when e is nil, and gives a future for its result. The context
// that fn gets ends when the future is cancelled; a function that does not heed
// it runs on, and its result is dropped. One that has not begun is not called
// then. A panic becomes a [*PanicError].
//
// It is for the loop's goroutine; fn runs elsewhere and must not touch the
// loop but by [Loop.CallSoonThreadsafe]. Python: loop.run_in_executor.
func RunInExecutor[T any](l *Loop, e Executor, fn func(context.Context) (T, error)) *Future[T] {
	return runInExecutor(l, context.Background(), e, fn)
}

// ToThread runs fn on a goroutine of the loop's default executor and waits for
// it. fn gets the values of ctx. When the wait is cancelled, the context that
// fn gets ends, and ToThread returns at once. Python: to_thread.
func ToThread[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	t, level, err := enter(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return inExecutor(t, level, ctx, nil, fn)
}

// toThread is ToThread where ctx has been entered already.
func toThread[T any](t *task, level context.Context, fn func(context.Context) (T, error)) (T, error) {
	values := level
	if level == nil {
		values = (*taskContext)(t)
	}
	return inExecutor(t, level, values, nil, fn)
}

// inExecutor runs fn in e, with the values of a context, and waits for it.
func inExecutor[T any](t *task, level, values context.Context, e Executor, fn func(context.Context) (T, error)) (T, error) {
	f := runInExecutor(t.loop, baseOf(values).outer, e, fn)
	if err := t.wait(&f.future, level); err != nil {
		f.Cancel()
		var zero T
		return zero, err
	}
	return f.value, nil
}

func runInExecutor[T any](l *Loop, ctx context.Context, e Executor, fn func(context.Context) (T, error)) *Future[T] {
	f := NewFuture[T](l)
	if e == nil {
		if e = l.defaultExecutor(); e == nil {
			f.setError(ErrLoopClosed)
			return f
		}
	}
	j := newJob(f, ctx, fn)
	if err := e.Submit(j, j.work); err != nil {
		l.inbox.outside.Add(-1)
		j.cancel(nil)
		f.setError(err)
	}
	return f
}

// A job is a function whose result, from another goroutine, a future is for. It
// is the context by which an executor knows it, too.
type job[T any] struct {
	context.Context
	cancel context.CancelCauseFunc
	fn     func(context.Context) (T, error)
	f      *Future[T] // of the loop's goroutine
	loop   *Loop
	v      T
	err    error
}

// newJob makes a job and counts it among those that the loop waits for.
func newJob[T any](f *Future[T], ctx context.Context, fn func(context.Context) (T, error)) *job[T] {
	j := &job[T]{fn: fn, f: f, loop: f.loop}
	j.Context, j.cancel = context.WithCancelCause(ctx)
	f.loop.inbox.outside.Add(1)
	f.add(jobEnd[T]{j})
	return j
}

// work calls the function, and brings the result to the loop, whatever happens.
func (j *job[T]) work(context.Context) {
	returned := false
	defer func() {
		if !returned {
			j.err = ErrGoexit
			if p := recover(); p != nil {
				j.err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		j.loop.deliver(jobResult[T]{j})
	}()
	if j.Context.Err() != nil {
		j.err = context.Cause(j.Context)
	} else {
		j.v, j.err = j.fn(j)
	}
	returned = true
}

// jobKey is what a job's context is asked for: for the loop that counts it.
type jobKey struct{}

// Value implements [context.Context].
func (j *job[T]) Value(key any) any {
	if key == (jobKey{}) {
		return j.loop
	}
	return j.Context.Value(key)
}

// drop ends the job's context.
func (j *job[T]) drop(cause error) { j.cancel(cause) }

// function names what the job calls.
func (j *job[T]) function() uintptr { return reflect.ValueOf(j.fn).Pointer() }

// jobResult settles a job's future, on the loop's goroutine.
type jobResult[T any] struct{ *job[T] }

func (r jobResult[T]) run() {
	f := r.f
	if f.state != pending {
		return
	}
	if r.err != nil {
		f.setError(r.err)
		return
	}
	f.value = r.v
	f.setResult()
}

// jobEnd ends a job's context once its future is done.
type jobEnd[T any] struct{ *job[T] }

func (e jobEnd[T]) run() { e.cancel(nil) }

// deliver brings the result of a job that was counted in inbox.outside. The
// virtual clock, which waits for such jobs, must never see neither the job nor
// its result; and it must be woken when it has seen the job last.
func (l *Loop) deliver(r runnable) {
	l.inbox.put(r) // a loop that was closed meanwhile does not want it any more
	l.inbox.outside.Add(-1)
	l.driver.Wake()
}

// SetDefaultExecutor makes e what [ToThread] and [RunInExecutor] use when they
// are given none, and gives the one there was, or nil, which is the caller's to
// shut down. From now on e is the loop's: [Run] and [Runner.Close] wait for its
// jobs and shut it down, [Loop.Close] does without waiting. Python:
// loop.set_default_executor.
func (l *Loop) SetDefaultExecutor(e Executor) (old Executor) {
	old, l.executor = l.executor, e
	return old
}

// defaultExecutor gives the default executor, made when there is none; nil on a
// loop that is closed.
func (l *Loop) defaultExecutor() Executor {
	if l.executor == nil && !l.closing {
		l.executor = NewThreadPoolExecutor(l.workers)
	}
	return l.executor
}

// ShutdownDefaultExecutor takes no more jobs and suspends the running task
// until those of the default executor are done. When the wait is cancelled, or
// ctx ends, the contexts of the jobs end. [Run] does this by itself. Python:
// loop.shutdown_default_executor.
func (l *Loop) ShutdownDefaultExecutor(ctx context.Context) error {
	t, level, err := l.enter(ctx)
	if err != nil {
		return err
	}
	e := l.defaultExecutor()
	if e == nil {
		return ErrLoopClosed
	}
	f := WrapFuture(l, func(ctx context.Context) (struct{}, error) { return struct{}{}, e.Shutdown(ctx) })
	if err := t.wait(&f.future, level); err != nil {
		f.Cancel()
		return err
	}
	return nil
}

// shutdownExecutor waits for the default executor's jobs.
func (l *Loop) shutdownExecutor(grace time.Duration) error {
	if l.executor == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return l.executor.Shutdown(ctx)
}

// abandonExecutor shuts the default executor down without waiting.
func (l *Loop) abandonExecutor() {
	if l.executor == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := l.executor.Shutdown(ctx)
	var left *JobsLeftError
	if errors.As(err, &left) && !slices.ContainsFunc(left.Jobs, func(j Job) bool { return !j.Cancelled }) {
		return // each was told to end before
	}
	if err != nil {
		l.logger().Warn("asyncio: the loop is closed while jobs are under way", "error", err)
	}
}

// functionName gives the name of the function that begins at pc.
func functionName(pc uintptr) string {
	if f := runtime.FuncForPC(pc); f != nil {
		return shortFunction(f.Name())
	}
	return fmt.Sprintf("%#x", pc)
}
