package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A ProcessPoolExecutor runs registered functions in worker processes, which
// are the same program started once more. A worker that crashes takes nothing
// along but the call that it was at; another is started in its place. Python:
// ProcessPoolExecutor.
//
// Its methods may be called from any goroutine. It must be shut down.
type ProcessPoolExecutor struct {
	pool   *ThreadPoolExecutor // one goroutine for each worker that is at work
	config processPoolConfig

	mu               sync.Mutex
	idle             []*poolWorker // the one that worked last is the last
	all              map[*poolWorker]struct{}
	started, crashed uint64
}

type processPoolConfig struct {
	workers  workerproc.Config
	maxTasks int
}

// A poolWorker is a worker process. One call at a time uses it.
type poolWorker struct {
	*workerproc.Process
	tasks int // calls that it has done
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
		pool:   NewThreadPoolExecutor(maxWorkers),
		config: processPoolConfig{workers: workerproc.Config{MaxMessage: 64 << 20, Stderr: os.Stderr}},
		all:    make(map[*poolWorker]struct{}),
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
	return RunInExecutor(l, p.pool, func(ctx context.Context) (Out, error) {
		out, err := p.call(ctx, w.name, request)
		if err != nil {
			var zero Out
			return zero, err
		}
		return workerproc.Decode[Out](out)
	})
}

// call runs a function in a worker.
func (p *ProcessPoolExecutor) call(ctx context.Context, name string, request workerproc.Request) ([]byte, error) {
	w, err := p.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("asyncio: start a worker process: %w", err)
	}
	stop := context.AfterFunc(ctx, w.Kill)
	reply, err := w.Exchange(request)
	killed := !stop()
	if err != nil {
		p.discard(w)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ErrMessageTooLarge):
			return nil, err
		}
		p.mu.Lock()
		p.crashed++
		p.mu.Unlock()
		return nil, crashError(name, w.Crash())
	}
	w.tasks++
	switch {
	case killed:
		p.discard(w)
	case p.worn(w, reply):
		p.retire(w)
	default:
		p.put(w)
	}
	out, err := reply.Result()
	return out, replyError(name, err)
}

// worn reports whether a worker, which has given that reply, is to be replaced.
func (p *ProcessPoolExecutor) worn(w *poolWorker, reply workerproc.Reply) bool {
	tasks, memory := p.config.maxTasks, p.config.workers.MaxMemory
	return tasks > 0 && w.tasks >= tasks || memory > 0 && reply.Memory() > memory
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

// take returns an idle worker, or a new one.
func (p *ProcessPoolExecutor) take(ctx context.Context) (*poolWorker, error) {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			break
		}
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		select {
		case <-w.Gone(): // it has died while it had nothing to do
			p.discard(w)
		default:
			return w, nil
		}
	}
	process, err := workerproc.Start(ctx, &p.config.workers)
	if crash, ok := err.(*workerproc.Crash); ok {
		err = crashError("", crash)
	}
	if err != nil {
		return nil, err
	}
	w := &poolWorker{Process: process}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started++
	p.all[w] = struct{}{}
	return w, nil
}

func (p *ProcessPoolExecutor) put(w *poolWorker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// discard waits until the worker is gone. One that does not go is killed.
func (p *ProcessPoolExecutor) discard(w *poolWorker) {
	w.End()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, w)
}

// retire lets an idle worker end.
func (p *ProcessPoolExecutor) retire(w *poolWorker) {
	w.HangUp()
	p.discard(w)
}

// Shutdown takes no more calls, waits until those it has are done, and ends the
// worker processes. When ctx ends first, it kills them, drops the calls that
// have not begun, and returns a [*JobsLeftError] if any were under way. It blocks
// the goroutine: inside a coroutine, use it with [WrapFuture]. Python:
// Executor.shutdown.
func (p *ProcessPoolExecutor) Shutdown(ctx context.Context) error {
	err := p.pool.Shutdown(ctx)
	if err != nil {
		<-p.pool.idle // their workers are being killed
	}
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.HangUp()
	}
	for _, w := range idle {
		p.discard(w)
	}
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
	s := p.pool.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := ProcessPoolStats{
		MaxWorkers: s.MaxWorkers, Queued: s.Queued, Running: s.Running, Done: s.Done,
		Started: p.started, Crashed: p.crashed,
	}
	for w := range p.all {
		out.Workers = append(out.Workers, w.Pid())
	}
	return out
}

// A WorkerCrashError is the error of a call whose worker process died.
type WorkerCrashError struct {
	Function string           // as it was registered
	Process  int              // the process id it had
	State    *os.ProcessState // its exit status or signal
	Stderr   string           // the last that it wrote, four kilobytes at most
}

func (e *WorkerCrashError) Error() string {
	s := fmt.Sprintf("asyncio: worker process %d died in %s: %v", e.Process, e.Function, e.State)
	if e.Stderr != "" {
		s += "; it wrote: " + e.Stderr
	}
	return s
}

// crashError names the function at which the worker was, or none while it began.
func crashError(function string, c *workerproc.Crash) error {
	return &WorkerCrashError{Function: function, Process: c.Process, State: c.State, Stderr: c.Stderr}
}
