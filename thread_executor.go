package asyncio

import (
	"context"
	"errors"
	"reflect"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
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
	// and returns an error.
	Shutdown(ctx context.Context) error
}

// RunInExecutor runs fn on a goroutine of the executor, or of the loop's
// default one when e is nil, and returns a future for its result. The context
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
	return ToExecutor(ctx, nil, fn)
}

// ToExecutor is [ToThread] on a goroutine of e. Python: await of
// loop.run_in_executor.
func ToExecutor[T any](ctx context.Context, e Executor, fn func(context.Context) (T, error)) (T, error) {
	t, level, err := enter(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return inExecutor(t, level, ctx, e, fn)
}

// toThread is ToThread where ctx has been entered already.
func toThread[T any](t *task, level context.Context, fn func(context.Context) (T, error)) (T, error) {
	return inExecutor(t, level, valuesOf(t, level), nil, fn)
}

// valuesOf returns the context whose values a function gets that t runs elsewhere.
func valuesOf(t *task, level context.Context) context.Context {
	if level == nil {
		return (*taskContext)(t)
	}
	return level
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
	if own, ok := l.driver.(driver.JobRunner); ok {
		j := newJob(l, ctx, fn)
		own.RunJob(j)
		return &j.f
	}
	if own, ok := l.driver.(driver.Executor); ok {
		if w, ok := e.(worldlyExecutor); ok {
			e = w.inWorld(l.driver)
		} else {
			e = own
		}
	}
	if e == nil {
		if e = l.defaultExecutor(); e == nil {
			return failedFuture[T](l, ErrLoopClosed)
		}
	}
	j := newJob(l, ctx, fn)
	f := &j.f
	err := errSubmitPanicked
	defer func() {
		if err != nil {
			l.inbox.outside.Add(-1)
			j.end()
			f.setError(err)
			f.retrieved = f.retrieved || err == errSubmitPanicked // the panic goes on
		}
	}()
	err = e.Submit(j, j.work)
	return f
}

// A worldlyExecutor has a form of its own on a driver that runs the jobs of all others.
type worldlyExecutor interface {
	inWorld(d driver.Driver) Executor
}

// errSubmitPanicked is the error of a future that nobody was given.
var errSubmitPanicked = errors.New("asyncio: Submit of the executor panicked")

// A job is a function whose result, from another goroutine, a future is for. It
// is the context by which an executor knows it, too.
type job[T any] struct {
	contextBase
	over atomic.Bool // the context has ended, also where no standard one was made
	loop *Loop
	fn   func(context.Context) (T, error)
	f    Future[T] // of the loop's goroutine
	v    T
	err  error
}

// newJob makes a job and counts it among those that the loop waits for.
func newJob[T any](l *Loop, ctx context.Context, fn func(context.Context) (T, error)) *job[T] {
	j := &job[T]{contextBase: contextBase{outer: ctx}, loop: l, fn: fn}
	j.f.init(l)
	l.inbox.outside.Add(1)
	if j.f.canceller == nil {
		j.f.canceller = jobEnd[T]{j}
	} else { // in debug mode
		j.f.add(jobEnd[T]{j})
	}
	return j
}

// failedFuture returns a future that has failed already.
func failedFuture[T any](l *Loop, err error) *Future[T] {
	f := NewFuture[T](l)
	f.setError(err)
	return f
}

// work calls the function, and brings the result to the loop, whatever happens.
func (j *job[T]) work(context.Context) {
	defer j.Deliver() // also when the function ends the goroutine
	j.Compute()
}

// Deliver implements [driver.Job].
func (j *job[T]) Deliver() { j.loop.deliver(jobResult[T]{j}) }

// Result implements [driver.Job].
func (j *job[T]) Result() (value any, err *error) { return &j.v, &j.err }

// Compute implements [driver.Job].
func (j *job[T]) Compute() {
	returned := false
	defer func() {
		if !returned {
			j.err = ErrGoexit
			if p := recover(); p != nil {
				j.err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
	}()
	if j.Err() != nil {
		j.err = context.Cause(j)
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
	return j.value(key)
}

// Done implements [context.Context].
func (j *job[T]) Done() <-chan struct{} {
	s := j.standard()
	if j.over.Load() {
		s.cancel(nil)
	}
	return s.Done()
}

// Err implements [context.Context].
func (j *job[T]) Err() error {
	if j.over.Load() {
		return context.Canceled
	}
	if s := j.std.Load(); s != nil {
		return s.Err()
	}
	return j.outer.Err()
}

// Deadline implements [context.Context].
func (j *job[T]) Deadline() (time.Time, bool) { return j.outer.Deadline() }

// end ends the job's context. It costs nothing where nobody has asked for Done.
func (j *job[T]) end() {
	j.over.Store(true)
	j.contextBase.end()
}

// describeWait implements waitDescriber for who waits for the job.
func (j jobEnd[T]) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "job", functionName(j.function())
	return nil
}

// drop ends the job's context.
func (j *job[T]) drop(cause error) { j.cancel(cause) }

// function names what the job calls.
func (j *job[T]) function() uintptr { return reflect.ValueOf(j.fn).Pointer() }

// jobResult settles a job's future, on the loop's goroutine.
type jobResult[T any] struct{ *job[T] }

func (r jobResult[T]) run() {
	defer r.end()
	f := &r.f
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

// jobEnd ends a job's context when its future is cancelled: as the canceller of the
// future, or its callback.
type jobEnd[T any] struct{ *job[T] }

func (e jobEnd[T]) run() { e.end() }

// cancelWith implements canceller.
func (e jobEnd[T]) cancelWith(cause error) bool {
	if !e.f.cancelPlain(cause) {
		return false
	}
	e.end()
	return true
}

func (jobEnd[T]) plain() {}
