package asyncio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// ErrNoWorkerMain is returned where worker processes are wanted of a program
// that does not call [WorkerMain]: started again, it would do all its work
// again, instead of being a worker.
var ErrNoWorkerMain = errors.New("asyncio: the program does not call WorkerMain first in main")

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
	idle             []*workerProcess // the one that worked last is the last
	all              map[*workerProcess]struct{}
	started, crashed uint64
}

type processPoolConfig struct {
	maxMessage  int
	maxTasks    int
	maxMemory   uint64
	stderr      io.Writer
	environment []string
}

// A ProcessPoolOption is an option of [NewProcessPoolExecutor].
type ProcessPoolOption interface{ applyProcessPool(*processPoolConfig) }

type processPoolOption func(*processPoolConfig)

func (f processPoolOption) applyProcessPool(c *processPoolConfig) { f(c) }

// WithMaxMessage bounds the bytes of an encoded argument or result, 64 MiB
// without it. One that is larger gives [ErrMessageTooLarge].
func WithMaxMessage(n int) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.maxMessage = min(max(n, 1), math.MaxInt32-maxFrameHead) })
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
	return processPoolOption(func(c *processPoolConfig) { c.maxMemory = bytes })
}

// WithWorkerStderr sends what worker processes write to standard output and
// error to w, instead of this process's standard error. Writes come from
// several goroutines.
func WithWorkerStderr(w io.Writer) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.stderr = w })
}

// WithWorkerEnv adds variables, as NAME=value, to the environment of worker
// processes.
func WithWorkerEnv(variables ...string) ProcessPoolOption {
	return processPoolOption(func(c *processPoolConfig) { c.environment = append(c.environment, variables...) })
}

// NewProcessPoolExecutor makes an executor with at most maxWorkers processes; 0
// means as many as there are processors. They are started when they are needed.
// It returns [ErrNoWorkerMain] in a program that has not called [WorkerMain].
func NewProcessPoolExecutor(maxWorkers int, opts ...ProcessPoolOption) (*ProcessPoolExecutor, error) {
	if !workerMainCalled.Load() {
		return nil, ErrNoWorkerMain
	}
	if maxWorkers <= 0 {
		maxWorkers = runtime.NumCPU()
	}
	p := &ProcessPoolExecutor{
		pool:   NewThreadPoolExecutor(maxWorkers),
		config: processPoolConfig{maxMessage: 64 << 20, stderr: os.Stderr},
		all:    make(map[*workerProcess]struct{}),
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
	data, err := encodeValue(in)
	if err == nil && len(data) > p.config.maxMessage {
		err = fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, len(data))
	}
	if err == nil && len(w.name) > maxName {
		err = errors.New("asyncio: the name is too long")
	}
	if err != nil {
		f := NewFuture[Out](l)
		f.setError(fmt.Errorf("the argument of worker function %s: %w", w.name, err))
		return f
	}
	return RunInExecutor(l, p.pool, func(ctx context.Context) (Out, error) {
		out, err := p.call(ctx, w.name, data)
		if err != nil {
			var zero Out
			return zero, err
		}
		return decodeValue[Out](out)
	})
}

// call runs a function in a worker.
func (p *ProcessPoolExecutor) call(ctx context.Context, name string, in []byte) ([]byte, error) {
	w, err := p.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("asyncio: start a worker process: %w", err)
	}
	stop := context.AfterFunc(ctx, w.kill)
	reply, err := w.exchange(encodeRequest(name, in), p.config.maxMessage+replyHead)
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
		return nil, w.crash(name)
	}
	w.tasks++
	w.memory = binary.BigEndian.Uint64(reply[1:])
	c := &p.config
	switch {
	case killed:
		p.discard(w)
	case c.maxTasks > 0 && w.tasks >= c.maxTasks, c.maxMemory > 0 && w.memory > c.maxMemory:
		p.retire(w)
	default:
		p.put(w)
	}
	return decodeReply(name, reply)
}

func decodeReply(name string, reply []byte) ([]byte, error) {
	kind, out := reply[0], reply[replyHead:]
	switch kind {
	case replyValue:
		return out, nil
	case replyTooLarge:
		return nil, fmt.Errorf("the result of worker function %s: %w: %s bytes", name, ErrMessageTooLarge, out)
	}
	f, err := decodeValue[failure](out)
	if err != nil {
		return nil, fmt.Errorf("the reply of worker function %s: %w", name, err)
	}
	if kind == replyPanicked {
		return nil, &PanicError{Value: f.Message, Stack: f.Stack}
	}
	return nil, &RemoteError{Function: name, Message: f.Message}
}

// A RemoteError is the error of a function in a worker process. Only its text
// has come over.
type RemoteError struct {
	Function string // as it was registered
	Message  string // its error's text
}

func (e *RemoteError) Error() string { return e.Message }

// take returns an idle worker, or a new one.
func (p *ProcessPoolExecutor) take(ctx context.Context) (*workerProcess, error) {
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
		case <-w.gone: // it has died while it had nothing to do
			p.discard(w)
		default:
			return w, nil
		}
	}
	w, err := startWorker(ctx, &p.config)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started++
	p.all[w] = struct{}{}
	return w, nil
}

func (p *ProcessPoolExecutor) put(w *workerProcess) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// discard makes sure that the worker is gone. One whose pipe has broken is
// given a moment to die by itself, so that one learns of what.
func (p *ProcessPoolExecutor) discard(w *workerProcess) {
	select {
	case <-w.gone:
	case <-time.After(dyingTime):
		w.kill()
	}
	p.release(w)
}

// retire lets an idle worker end.
func (p *ProcessPoolExecutor) retire(w *workerProcess) {
	_ = w.in.Close()
	p.discard(w)
}

// release waits until the worker is gone.
func (p *ProcessPoolExecutor) release(w *workerProcess) {
	<-w.gone
	w.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, w)
}

const (
	dyingTime = time.Second
	startTime = time.Minute
)

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
		_ = w.in.Close()
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
		out.Workers = append(out.Workers, w.cmd.Process.Pid)
	}
	return out
}

// workerProcess is a worker. One call at a time uses it.
type workerProcess struct {
	cmd     *exec.Cmd
	in, out *os.File
	tail    *tailWriter
	tasks   int
	memory  uint64
	gone    chan struct{} // closed when it was reaped
}

// startWorker starts this program once more and waits until it is ready.
func startWorker(ctx context.Context, c *processPoolConfig) (*workerProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		_, _ = theirIn.Close(), in.Close()
		return nil, err
	}
	w := &workerProcess{in: in, out: out, tail: &tailWriter{to: c.stderr}, gone: make(chan struct{})}
	w.cmd = exec.Command(self)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = theirIn, theirOut, w.tail
	w.cmd.Env = append(os.Environ(), c.environment...)
	w.cmd.Env = append(w.cmd.Env, workerVariable+"="+strconv.Itoa(c.maxMessage))
	if c.maxMemory > 0 {
		w.cmd.Env = append(w.cmd.Env, "GOMEMLIMIT="+strconv.FormatUint(c.maxMemory, 10))
	}
	w.cmd.WaitDelay = dyingTime // processes of its own may hold its standard error
	err = w.cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		w.close()
		return nil, err
	}
	go func() {
		_ = w.cmd.Wait() // ProcessState says how it ended
		close(w.gone)
	}()
	if err := w.waitReady(ctx); err != nil {
		w.kill()
		<-w.gone
		w.close()
		return nil, err
	}
	return w, nil
}

// waitReady waits for the worker's first words.
func (w *workerProcess) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	hello := make([]byte, len(workerHello))
	if _, err := io.ReadFull(w.out, hello); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		<-w.gone // it has closed its output, or is gone; it has nothing else to do
		return w.crash("")
	}
	if string(hello) != workerHello {
		return ErrNoWorkerMain
	}
	return nil
}

func (w *workerProcess) exchange(request []byte, most int) ([]byte, error) {
	if err := writeFrame(w.in, request); err != nil {
		return nil, err
	}
	reply, err := readFrame(w.out, most)
	if err == nil && len(reply) < replyHead {
		err = io.ErrUnexpectedEOF
	}
	return reply, err
}

func (w *workerProcess) kill() { _ = w.cmd.Process.Kill() }

func (w *workerProcess) close() { _, _ = w.in.Close(), w.out.Close() }

// crash returns the error of a worker that is gone.
func (w *workerProcess) crash(function string) error {
	return &WorkerCrashError{
		Function: function,
		Process:  w.cmd.Process.Pid,
		State:    w.cmd.ProcessState,
		Stderr:   w.tail.String(),
	}
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

// tailWriter passes on what is written, and remembers the last of it.
type tailWriter struct {
	to   io.Writer
	mu   sync.Mutex
	tail []byte
}

const maxTail = 4 << 10

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tail = append(t.tail, p[max(0, len(p)-maxTail):]...)
	if extra := len(t.tail) - maxTail; extra > 0 {
		t.tail = append(t.tail[:0], t.tail[extra:]...)
	}
	_, _ = t.to.Write(p) // that nobody takes it is no reason to stop the worker
	return len(p), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.tail)
}
