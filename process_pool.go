package asyncio

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A ProcessPoolExecutor runs registered functions in worker processes, which
// are the same program started once more. A worker that crashes takes nothing
// along but the call that it was at; another is started in its place. Python:
// ProcessPoolExecutor.
//
// Each worker runs one call at a time. Where calls are short, some are sent ahead
// to it, so that it need not wait for the next one; they begin in order. Calls
// that were sent and have not begun are given to another worker when theirs
// crashes, is killed for a cancelled call, or is held up by a long one: none
// begins twice.
//
// Its methods may be called from any goroutine. It must be shut down.
type ProcessPoolExecutor struct {
	max    int
	config processPoolConfig

	mu               sync.Mutex
	queue            []*poolCall // that were given to no worker, by their numbers
	sweepAt          int         // how long the queue may get before it is searched for cancelled calls
	all              map[*poolWorker]struct{}
	n                uint64      // of the last call
	watch            *time.Timer // while calls are sent ahead
	done             uint64
	started, crashed uint64
	closed           bool
	idle             chan struct{} // closed when, after closing, the last worker is gone
}

type processPoolConfig struct {
	workers  workerproc.Config
	maxTasks int
}

// A ProcessPoolOption is an option of [NewProcessPoolExecutor].
type ProcessPoolOption interface{ applyProcessPool(*processPoolConfig) }

type processPoolOption func(*processPoolConfig)

func (f processPoolOption) applyProcessPool(c *processPoolConfig) { f(c) }

// WithMaxMessage bounds the bytes of an encoded argument or result, 64 MiB
// without it. One that is larger is [ErrMessageTooLarge].
func WithMaxMessage(n int) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.workers.MaxMessage = min(max(n, 1), workerproc.MostBytes) })
}

// WithMaxTasksPerChild replaces a worker process after so many calls. Python:
// max_tasks_per_child.
func WithMaxTasksPerChild(n int) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.maxTasks = n })
}

// WithMaxWorkerMemory replaces a worker process that uses more than so many
// bytes after a call, and tells its garbage collector to stay below them
// (GOMEMLIMIT). A call may use more while it runs.
func WithMaxWorkerMemory(bytes uint64) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.workers.MaxMemory = bytes })
}

// WithWorkerStderr sends what worker processes write to standard output and
// error to w, instead of this process's standard error. Writes come from
// several goroutines.
func WithWorkerStderr(w io.Writer) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.workers.Stderr = w })
}

// WithWorkerEnv adds variables, as NAME=value, to the environment of worker
// processes.
func WithWorkerEnv(variables ...string) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.workers.Env = append(c.workers.Env, variables...) })
}

// NewProcessPoolExecutor makes an executor with at most maxWorkers processes; 0
// means as many as there are processors. They are started when they are needed.
// It returns [ErrNoWorkerMain] in a program that has not called [WorkerMain].
func NewProcessPoolExecutor(maxWorkers int, opts ...ProcessPoolOption) (*ProcessPoolExecutor, error) {
	if !workerproc.MainCalled() {
		return nil, ErrNoWorkerMain
	}
	if maxWorkers <= 0 {
		maxWorkers = runtime.NumCPU()
	}
	p := &ProcessPoolExecutor{
		max:     maxWorkers,
		config:  processPoolConfig{workers: workerproc.Config{MaxMessage: 64 << 20, Stderr: os.Stderr}},
		all:     make(map[*poolWorker]struct{}),
		sweepAt: minSweep,
		idle:    make(chan struct{}),
	}
	for _, o := range opts {
		o.applyProcessPool(&p.config)
	}
	return p, nil
}

// Call runs the function in a worker process of p and suspends the running task
// until it has returned. When the wait is cancelled, the process is killed. Its
// error is a [*RemoteError] with the text of the function's, a [*PanicError]
// when it panicked, a [*WorkerCrashError] when the process died.
func (w *WorkerFunc[In, Out]) Call(ctx context.Context, p *ProcessPoolExecutor, in In) (Out, error) {
	var zero Out
	t, level, err := enter(ctx)
	if err != nil {
		return zero, err
	}
	f := w.Start(t.loop, p, in)
	if err := t.wait(&f.future, level); err != nil {
		f.Cancel()
		return zero, err
	}
	return f.value, nil
}

// Start is [WorkerFunc.Call] that does not wait: it returns a future. Cancelling
// that kills the process. The argument is encoded at once. For the goroutine of
// l. Python: loop.run_in_executor.
func (w *WorkerFunc[In, Out]) Start(l *Loop, p *ProcessPoolExecutor, in In) *Future[Out] {
	request, err := workerproc.NewRequest(w.name, in, p.config.workers.MaxMessage)
	if err != nil {
		f := NewFuture[Out](l)
		f.setError(fmt.Errorf("the argument of worker function %s: %w", w.name, err))
		return f
	}
	c := &poolCall{pool: p, name: w.name, request: request}
	return RunInExecutor(l, c, func(context.Context) (Out, error) {
		if c.err != nil {
			var zero Out
			return zero, c.err
		}
		return workerproc.Decode[Out](c.result)
	})
}

// replyError names the function whose reply is an error.
func replyError(name string, err error) error {
	f, failed := err.(*workerproc.Failure)
	switch {
	case err == nil:
		return nil
	case !failed:
		return fmt.Errorf("worker function %s: %w", name, err)
	case f.Panicked:
		return &PanicError{Value: f.Message, Stack: f.Stack}
	}
	return &RemoteError{Function: name, Message: f.Message}
}

// A RemoteError is the error of a function in a worker process. Only its text
// has come over.
type RemoteError struct {
	Function string // as it was registered
	Message  string // its error's text
}

func (e *RemoteError) Error() string { return e.Message }

// Shutdown takes no more calls, waits until those it has are done, and ends the
// worker processes. When ctx ends first, it kills them, drops the calls that
// have not begun, and returns a [*JobsLeftError] if any were under way. It blocks
// the goroutine: inside a coroutine, use it with [WrapFuture]. Python:
// Executor.shutdown.
func (p *ProcessPoolExecutor) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.settle()
	}
	p.mu.Unlock()
	select {
	case <-p.idle:
		return nil
	default:
	}
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
	}
	err := p.abandon(ctx.Err())
	<-p.idle // the workers are being killed
	return err
}

// ProcessPoolStats says what a process pool does. See
// [ProcessPoolExecutor.Stats].
type ProcessPoolStats struct {
	MaxWorkers int    // how many run at the same time
	Queued     int    // calls that have not begun
	Running    int    // calls under way
	Done       uint64 // calls that have ended
	Workers    []int  // the ids of the worker processes
	Started    uint64 // worker processes that were started
	Crashed    uint64 // those that died during a call
}

// Stats says what the pool does.
func (p *ProcessPoolExecutor) Stats() ProcessPoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := ProcessPoolStats{MaxWorkers: p.max, Queued: len(p.queue), Done: p.done, Started: p.started, Crashed: p.crashed}
	for w := range p.all {
		if w.process != nil {
			out.Workers = append(out.Workers, w.process.Pid())
		}
		if n := len(w.calls); n > 0 {
			out.Running++
			out.Queued += n - 1
		}
	}
	return out
}

// A WorkerCrashError is the error of a call whose worker process died.
type WorkerCrashError struct {
	Function string           // as it was registered; "" where it died as it started
	Process  int              // the process id it had
	State    *os.ProcessState // its exit status or signal
	Stderr   string           // the last that it wrote, four kilobytes at most
}

func (e *WorkerCrashError) Error() string {
	when := "in " + e.Function
	if e.Function == "" {
		when = "as it started"
	}
	s := fmt.Sprintf("asyncio: worker process %d died %s: %v", e.Process, when, e.State)
	if e.Stderr != "" {
		s += "; it wrote: " + e.Stderr
	}
	return s
}

// crashError names the function at which the worker was, or none while it began.
func crashError(function string, c *workerproc.Crash) error {
	return &WorkerCrashError{Function: function, Process: c.Process, State: c.State, Stderr: c.Stderr}
}
