package asyncio

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// ErrExecutorShutdown is returned for a job given to an executor that was shut
// down.
var ErrExecutorShutdown = errors.New("asyncio: the executor is shut down")

// A ThreadPoolExecutor runs functions that block on goroutines of their own,
// so many at a time; the others queue. Python: ThreadPoolExecutor.
//
// Its methods may be called from any goroutine.
type ThreadPoolExecutor struct {
	mu      sync.Mutex
	queue   []*job
	workers int // goroutines; each runs one job or looks for one
	max     int
	closed  bool
	idle    chan struct{} // closed when, after closing, the last job has ended
}

type job struct {
	ctx    context.Context
	cancel context.CancelFunc
	fn     func(context.Context)
}

// NewThreadPoolExecutor makes an executor that runs at most maxWorkers
// functions at a time; 0 means four more than the number of processors, and at
// most 32, as in Python.
func NewThreadPoolExecutor(maxWorkers int) *ThreadPoolExecutor {
	if maxWorkers <= 0 {
		maxWorkers = min(32, runtime.NumCPU()+4)
	}
	return &ThreadPoolExecutor{max: maxWorkers, idle: make(chan struct{})}
}

// submit queues j.
func (e *ThreadPoolExecutor) submit(j *job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrExecutorShutdown
	}
	e.queue = append(e.queue, j)
	if e.workers < e.max {
		e.workers++
		go e.work()
	}
	return nil
}

// work runs jobs until there are none.
func (e *ThreadPoolExecutor) work() {
	for {
		j := e.take()
		if j == nil {
			return
		}
		j.fn(j.ctx)
		j.cancel()
	}
}

// take gives the next job, or nil when there is none: the worker ends then,
// and is not counted any more.
func (e *ThreadPoolExecutor) take() *job {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) > 0 {
		j := e.queue[0]
		e.queue[0] = nil
		e.queue = e.queue[1:]
		return j
	}
	e.queue = nil
	e.workers--
	if e.closed && e.workers == 0 {
		close(e.idle)
	}
	return nil
}

// Shutdown takes no more jobs and waits until those it has are done, or ctx
// ends; then it gives ctx's error, with how many are left. It blocks the
// goroutine: inside a coroutine, use it with [ToThread] only. Python:
// Executor.shutdown.
func (e *ThreadPoolExecutor) Shutdown(ctx context.Context) error {
	e.abandonQueue(false)
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		return fmt.Errorf("asyncio: shutdown of the executor: %d jobs are still running: %w", e.workers, ctx.Err())
	}
}

// abandon takes no more jobs and drops those that have not begun.
func (e *ThreadPoolExecutor) abandon() { e.abandonQueue(true) }

func (e *ThreadPoolExecutor) abandonQueue(drop bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if drop {
		for _, j := range e.queue {
			j.cancel()
		}
		e.queue = nil
	}
	if !e.closed {
		e.closed = true
		if e.workers == 0 {
			close(e.idle)
		}
	}
}

// RunInExecutor runs fn on a goroutine of the executor, or of the loop's
// default one when that is nil, and gives a future for its result. The context
// that fn gets ends when the future is cancelled; a function that does not
// heed it runs on, and its result is dropped. A panic becomes a [*PanicError].
//
// It is for the loop's goroutine; fn runs elsewhere and must not touch the
// loop but by [Loop.CallSoonThreadsafe]. Python: loop.run_in_executor.
func RunInExecutor[T any](l *Loop, e *ThreadPoolExecutor, fn func(context.Context) (T, error)) *Future[T] {
	return runInExecutor(l, context.Background(), e, fn)
}

// ToThread runs fn on a goroutine of the loop's default executor and waits for
// it. When the wait is cancelled, the context that fn gets ends, and ToThread
// returns at once. Python: to_thread.
func ToThread[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	t, level, err := enter(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return toThread(t, level, fn)
}

func toThread[T any](t *task, level context.Context, fn func(context.Context) (T, error)) (T, error) {
	values := t.ctx.outer
	if level != nil {
		values = level
	}
	f := runInExecutor(t.loop, values, nil, fn)
	if err := t.wait(&f.future, level); err != nil {
		f.Cancel()
		var zero T
		return zero, err
	}
	return f.value, nil
}

func runInExecutor[T any](l *Loop, ctx context.Context, e *ThreadPoolExecutor, fn func(context.Context) (T, error)) *Future[T] {
	f := NewFuture[T](l)
	if e == nil {
		if l.executor == nil && !l.closing {
			l.executor = NewThreadPoolExecutor(l.workers)
		}
		if e = l.executor; e == nil {
			f.setError(ErrLoopClosed)
			return f
		}
	}
	j := &job{}
	j.ctx, j.cancel = context.WithCancel(context.WithoutCancel(ctx))
	j.fn = func(ctx context.Context) {
		v, err := protect(ctx, fn)
		l.deliver(func() {
			if f.Done() {
				return
			}
			if err != nil {
				f.setError(err)
				return
			}
			f.value = v
			f.setResult()
		})
	}
	l.inbox.outside.Add(1)
	if err := e.submit(j); err != nil {
		l.inbox.outside.Add(-1)
		j.cancel()
		f.setError(err)
		return f
	}
	f.add(&doneCallback{fn: j.cancel})
	return f
}

// protect makes a panic of fn an error.
func protect[T any](ctx context.Context, fn func(context.Context) (T, error)) (v T, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	v, err = fn(ctx)
	returned = true
	return v, err
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

// deliver brings the result of a job that was counted in inbox.outside. The
// virtual clock, which waits for such jobs, must never see neither the job nor
// its result; and it must be woken when it has seen the job last.
func (l *Loop) deliver(fn func()) {
	l.inbox.put(&Handle{fn: fn}) // a loop that was closed meanwhile does not want it any more
	l.inbox.outside.Add(-1)
	l.driver.Wake()
}
