package asyncio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
)

// ErrExecutorFull is returned for a job given to an executor whose queue is
// full.
var ErrExecutorFull = errors.New("asyncio: the executor's queue is full")

// A ThreadPoolExecutor runs functions that block on goroutines of their own,
// so many at a time; the others queue. Python: ThreadPoolExecutor.
//
// While more goroutines are ready than can run, it begins a job only in the place of
// one that has ended: beyond the number of processors, jobs that compute get nothing
// done sooner, and make the loop late. A job waits for that at most some tens of
// milliseconds, and a second where many do.
//
// Its methods may be called from any goroutine.
type ThreadPoolExecutor struct {
	mu         sync.Mutex
	queue      []*poolJob
	head, tail *poolJob // those under way, the oldest first
	running    int
	workers    int // goroutines; each runs one job or looks for one
	max        int
	maxQueue   int // 0: no bound
	sweepAt    int // how long the queue may get before it is searched for cancelled jobs
	done       uint64
	crowd      crowd
	closed     bool
	idle       chan struct{} // closed when, after closing, the last job has ended
}

// poolJob is a function in a ThreadPoolExecutor.
type poolJob struct {
	ctx        context.Context
	fn         func(context.Context)
	queued     time.Time
	began      time.Time
	prev, next *poolJob
}

// loopJob is what a poolJob's context is when it comes from a loop.
type loopJob interface {
	context.Context
	drop(cause error)
	function() uintptr
}

// directJob is one that was given to Submit by somebody else.
type directJob struct {
	context.Context
	cancel context.CancelCauseFunc
	fn     func(context.Context)
}

func (j *directJob) drop(cause error)  { j.cancel(cause) }
func (j *directJob) function() uintptr { return reflect.ValueOf(j.fn).Pointer() }

// A ThreadPoolOption is an option of [NewThreadPoolExecutor].
type ThreadPoolOption interface{ applyThreadPool(*ThreadPoolExecutor) }

type threadPoolOption func(*ThreadPoolExecutor)

func (f threadPoolOption) applyThreadPool(e *ThreadPoolExecutor) { f(e) }

// WithMaxQueue bounds the jobs that wait for a goroutine: one too many fails
// with [ErrExecutorFull]. Without it there is no bound, as in Python.
func WithMaxQueue(n int) ThreadPoolOption {
	return threadPoolOption(func(e *ThreadPoolExecutor) { e.maxQueue = max(n, 1) })
}

// NewThreadPoolExecutor makes an executor that runs at most maxWorkers
// functions at a time; 0 means four more than the number of processors, and at
// most 32, as in Python.
func NewThreadPoolExecutor(maxWorkers int, opts ...ThreadPoolOption) *ThreadPoolExecutor {
	if maxWorkers <= 0 {
		maxWorkers = min(32, runtime.NumCPU()+4)
	}
	e := &ThreadPoolExecutor{max: maxWorkers, sweepAt: minSweep, crowd: newCrowd(), idle: make(chan struct{})}
	for _, o := range opts {
		o.applyThreadPool(e)
	}
	return e
}

const minSweep = 64

// Submit implements [Executor]. It costs about a microsecond.
func (e *ThreadPoolExecutor) Submit(ctx context.Context, fn func(context.Context)) error {
	if _, ok := ctx.(loopJob); !ok {
		c, cancel := context.WithCancelCause(ctx)
		d := &directJob{Context: c, cancel: cancel, fn: fn}
		ctx, fn = d, func(context.Context) { defer cancel(nil); d.fn(c) }
	}
	j := &poolJob{ctx: ctx, fn: fn}
	cancelled, err := e.enqueue(j)
	for _, c := range cancelled {
		c.fn(c.ctx)
	}
	return err
}

// enqueue queues j. It takes out of the queue what was cancelled there, when it
// has grown so much that this is worth while: behind jobs that never end, the
// cancelled ones would pile up.
func (e *ThreadPoolExecutor) enqueue(j *poolJob) (cancelled []*poolJob, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrExecutorShutdown
	}
	if len(e.queue) >= e.sweepAt || e.maxQueue > 0 && len(e.queue) >= e.maxQueue {
		cancelled = e.sweep()
		e.sweepAt = max(minSweep, 2*len(e.queue))
	}
	if e.maxQueue > 0 && len(e.queue) >= e.maxQueue {
		return cancelled, fmt.Errorf("%w: %d jobs wait", ErrExecutorFull, len(e.queue))
	}
	e.queue = append(e.queue, j)
	e.hire(j)
	return cancelled, nil
}

// sweep takes the jobs of loops that were cancelled out of the queue. Their
// functions return at once.
func (e *ThreadPoolExecutor) sweep() (cancelled []*poolJob) {
	kept := e.queue[:0]
	for _, j := range e.queue {
		if _, direct := j.ctx.(*directJob); !direct && j.ctx.Err() != nil {
			cancelled = append(cancelled, j)
		} else {
			kept = append(kept, j)
		}
	}
	clear(e.queue[len(kept):])
	e.queue = kept
	return cancelled
}

// work runs jobs until there are none.
func (e *ThreadPoolExecutor) work() {
	var j *poolJob
	defer func() {
		if j != nil { // it has ended its goroutine by runtime.Goexit
			e.finish(j)
			go e.work()
		}
	}()
	for {
		if j = e.take(j); j == nil {
			return
		}
		j.fn(j.ctx)
	}
}

// take notes that done has ended, if it is not nil, and returns the next job, or
// nil when there is none: the worker ends then, and is not counted any more.
func (e *ThreadPoolExecutor) take(done *poolJob) *poolJob {
	e.mu.Lock()
	defer e.mu.Unlock()
	if done != nil {
		e.unlink(done)
	}
	if len(e.queue) == 0 {
		e.queue = nil
		e.workers--
		if e.closed && e.workers == 0 {
			close(e.idle)
		}
		return nil
	}
	now := time.Now()
	if done != nil {
		e.crowd.note(now.Sub(done.began))
		if e.dismisses(now) {
			e.workers--
			e.hireLater()
			return nil
		}
	}
	j := e.queue[0]
	e.queue[0] = nil
	e.queue = e.queue[1:]
	e.link(j, now)
	return j
}

func (e *ThreadPoolExecutor) finish(j *poolJob) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unlink(j)
}

func (e *ThreadPoolExecutor) link(j *poolJob, now time.Time) {
	j.began = now
	e.running++
	j.prev = e.tail
	if e.tail == nil {
		e.head = j
	} else {
		e.tail.next = j
	}
	e.tail = j
}

func (e *ThreadPoolExecutor) unlink(j *poolJob) {
	e.done++
	e.running--
	if j.prev == nil {
		e.head = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		e.tail = j.prev
	} else {
		j.next.prev = j.prev
	}
}

// Shutdown implements [Executor]: it takes no more jobs and waits until those
// it has are done. When ctx ends first, it drops the jobs that have not begun,
// which fail with [ErrExecutorShutdown], ends the contexts of those that run,
// and returns a [*JobsLeftError] if there are any. It blocks the goroutine: inside
// a coroutine, use it with [WrapFuture]. Python: Executor.shutdown.
func (e *ThreadPoolExecutor) Shutdown(ctx context.Context) error {
	e.close()
	select {
	case <-e.idle:
		return nil
	default:
	}
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
	}
	return e.abandon(ctx.Err())
}

func (e *ThreadPoolExecutor) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		if e.workers == 0 {
			close(e.idle)
		}
	}
}

// abandon drops the queue and ends the contexts of the jobs under way.
func (e *ThreadPoolExecutor) abandon(cause error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	dropped := e.queue
	e.queue = nil
	for _, j := range dropped {
		j.ctx.(loopJob).drop(ErrExecutorShutdown)
	}
	if len(dropped) > 0 {
		e.workers++ // so that who waits for the others waits for this too
		go func() {
			for _, j := range dropped {
				j.fn(j.ctx)
			}
			e.take(nil)
		}()
	}
	if e.running == 0 {
		return nil
	}
	left := &JobsLeftError{Jobs: e.jobs(), Err: cause}
	for j := e.head; j != nil; j = j.next {
		j.ctx.(loopJob).drop(ErrExecutorShutdown)
	}
	return left
}

// A Job is a function that an executor runs.
type Job struct {
	Function  string        // its name, as main.main.func1
	Running   time.Duration // how long it has run, on the real clock
	Cancelled bool          // its context has ended
}

// ExecutorStats says what an executor does. See [ThreadPoolExecutor.Stats].
type ExecutorStats struct {
	MaxWorkers int    // how many run at the same time
	Queued     int    // jobs that have not begun
	Running    int    // jobs under way
	Done       uint64 // jobs that have ended
	Jobs       []Job  // those under way, the oldest first
}

// Stats says what the executor does. It may be called in any goroutine.
func (e *ThreadPoolExecutor) Stats() ExecutorStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return ExecutorStats{
		MaxWorkers: e.max,
		Queued:     len(e.queue),
		Running:    e.running,
		Done:       e.done,
		Jobs:       e.jobs(),
	}
}

// look returns what a look shows of the executor. It waits for nobody but those who
// submit.
func (e *ThreadPoolExecutor) look(kind string) ExecutorLook {
	e.mu.Lock()
	defer e.mu.Unlock()
	return ExecutorLook{Kind: kind, Workers: e.workers, Max: e.max, Running: e.running, Queued: len(e.queue)}
}

func (e *ThreadPoolExecutor) jobs() []Job {
	jobs, now := make([]Job, 0, e.running), time.Now()
	for j := e.head; j != nil; j = j.next {
		jobs = append(jobs, Job{
			Function:  functionName(j.ctx.(loopJob).function()),
			Running:   now.Sub(j.began),
			Cancelled: j.ctx.Err() != nil,
		})
	}
	return jobs
}

// A JobsLeftError says which jobs would not end while an executor was shut down.
type JobsLeftError struct {
	Jobs []Job // the oldest first
	Err  error // why it did not wait any longer
}

func (e *JobsLeftError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "asyncio: shutdown of the executor: jobs that are still running: %d (", len(e.Jobs))
	for i, j := range e.Jobs {
		if i == 10 {
			b.WriteString(", and others")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s for %v", j.Function, j.Running.Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "): %v", e.Err)
	return b.String()
}

// Unwrap returns why it did not wait any longer.
func (e *JobsLeftError) Unwrap() error { return e.Err }
