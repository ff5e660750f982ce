package sim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A Process is a running program of a [Host], which [asyncio.CreateSubprocessExec] or
// its like has started there: a function with a loop of its own. It ends when the
// function returns, or by a signal, and then nothing more of it runs, not even its
// deferred functions, and what it has open is closed. It ends also with the program
// of the host that has started it.
type Process struct {
	Name   string
	Args   []string // without the name
	Env    []string // none without asyncio.WithEnv
	Dir    string
	Stdin  *Input
	Stdout *Output
	Stderr *Output

	h       *Host
	of      *netsim.Driver // who has started it
	pid     int
	driver  *netsim.Driver
	loop    *asyncio.Loop
	step    hook.SteppedLoop
	ctx     context.Context
	pipes   [3]driver.Conn // the other ends
	told    *netsim.Notice
	paused  time.Duration
	ended   bool
	code    int
	command string
}

// Program makes fn a program of the host, which its programs can start by its name as a
// process: fn runs as a task of a loop of its own, and returns the exit code. A name that is not known fails as one that exec does not find. A program
// "sh" is what shell lines are for; without it a line is a name and arguments.
func (h *Host) Program(name string, fn func(p *Process) int) {
	if h.commands == nil {
		h.commands = make(map[string]func(*Process) int)
	}
	h.commands[name] = fn
}

// Processes returns the processes that run on the host, the oldest first.
func (h *Host) Processes() []*Process { return slices.Clone(h.processes) }

// Context returns the context of the function's task: for what it waits for.
func (p *Process) Context() context.Context { return p.ctx }

// Host returns the host on which it runs.
func (p *Process) Host() *Host { return p.h }

// Pid returns its number.
func (p *Process) Pid() int { return p.pid }

// Getenv returns a variable of its environment, or "".
func (p *Process) Getenv(key string) string {
	for _, kv := range slices.Backward(p.Env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// Signal sends it a signal: a handler that it has by [asyncio.Loop.AddSignalHandler] is
// called, and without one it ends, unless the signal is one of those that do nothing
// then. It returns [os.ErrProcessDone] when it has ended.
func (p *Process) Signal(sig os.Signal) error {
	if p.ended {
		return os.ErrProcessDone
	}
	p.h.event(signalKind, uint64(p.pid), signalNumber(sig), func() string { return fmt.Sprintf("process %d gets a signal: %v", p.pid, sig) })
	if sig == os.Kill || !p.driver.Signal(sig) && !ignored(sig) {
		p.exit(-int(signalNumber(sig)))
	}
	return nil
}

// Pause makes it stand still for d. Nobody is told.
func (p *Process) Pause(d time.Duration) { p.paused = max(p.paused, p.h.w.Now()+d) }

var (
	processKind = netsim.NewKind("process", netsim.OfSystem, nil)
	signalKind  = netsim.NewKind("signal", netsim.OfSystem, nil)
)

func signalNumber(sig os.Signal) uint64 {
	if n, ok := sig.(syscall.Signal); ok {
		return uint64(n)
	}
	return 0
}

// StartProcess implements [netsim.World].
func (n *netWorld) StartProcess(of *netsim.Driver, s *driver.ProcessSpec) (driver.Process, error) {
	h := n.hosts[of.Machine().ID-1]
	name, args := s.Name, s.Args
	if s.Shell {
		if name, args = "/bin/sh", []string{"-c", s.Name}; h.commands["sh"] == nil {
			words := strings.Fields(s.Name)
			if len(words) == 0 || strings.ContainsAny(s.Name, "|&;<>()$`\\\"'*?[#~=%\n") {
				return nil, fmt.Errorf("a line for the shell, %q, on a host without a program sh: %w", s.Name, errors.ErrUnsupported)
			}
			name, args = words[0], words[1:]
		}
	}
	fn := h.commands[name]
	if fn == nil {
		fn = h.commands[strings.TrimPrefix(name, "/bin/")]
	}
	if fn == nil {
		if strings.Contains(name, "/") {
			return nil, &fs.PathError{Op: "fork/exec", Path: name, Err: syscall.ENOENT}
		}
		return nil, &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
	p := &Process{Name: name, Args: slices.Clone(args), Env: slices.Clone(s.Env), Dir: s.Dir, h: h, of: of, command: name}
	p.driver = h.machine.Start()
	p.pid = p.driver.PID
	p.driver.Skew(h.skew)
	p.loop, p.step = h.newLoop(p.driver)
	p.open(s)
	h.processes = append(h.processes, p)
	if _, ok := h.step.(*crowd); !ok {
		h.step = &crowd{h.step, h}
	}
	h.event(processKind, uint64(p.pid), 0, func() string { return fmt.Sprintf("process %d begins: %s %q", p.pid, name, args) })
	t := asyncio.CreateTaskOn(p.loop, func(ctx context.Context) (int, error) {
		p.ctx = ctx
		return fn(p), nil
	})
	t.AddDoneCallback(func() {
		code, err := t.Result()
		if err != nil {
			code = 2
			h.w.fail(&Failure{Host: h.Name(), What: "a process has failed: " + name, At: h.w.Now(), Err: err})
		}
		p.exit(code & 0xff)
	})
	return started{p}, nil
}

// open opens its standard descriptors.
func (p *Process) open(s *driver.ProcessSpec) {
	p.Stdin, p.Stdout, p.Stderr = &Input{}, &Output{}, &Output{}
	for i, std := range s.Std {
		var ours driver.Conn
		switch std {
		case driver.PipeStdio:
			if i == 0 {
				ours, p.pipes[i] = netsim.NewPipe(p.of, p.driver)
			} else {
				p.pipes[i], ours = netsim.NewPipe(p.driver, p.of)
			}
		case driver.InheritStdio:
			if i > 0 {
				[]*Output{p.Stdout, p.Stderr}[i-1].log = p
			}
			continue
		case driver.ToStdout:
			p.Stderr = p.Stdout
			continue
		default:
			continue
		}
		e := &stdio{p: p, conn: ours}
		_ = ours.Start(e) // it is open
		if i == 0 {
			p.Stdin.pipe = e
		} else {
			[]*Output{p.Stdout, p.Stderr}[i-1].pipe = e
		}
	}
}

// exit ends the process.
func (p *Process) exit(code int) {
	if p.ended {
		return
	}
	h := p.h
	p.ended, p.code = true, code
	h.event(processKind, uint64(p.pid), uint64(code)+1<<32, func() string { return fmt.Sprintf("process %d ends with %d", p.pid, code) })
	p.driver.Exit()
	p.step.Abandon()
	h.processes = slices.DeleteFunc(h.processes, func(o *Process) bool { return o == p })
	if p.told != nil {
		p.told.Tell()
	}
	h.gone = append(h.gone, p.step)
	h.w.net.At(h.w.Now(), netsim.EventFunc(func() { // when its turn is over
		if len(p.loop.AllTasks()) == 0 { // or what is left of it runs when the world is over
			_ = p.step.Close() // nobody runs it
			h.gone = slices.DeleteFunc(h.gone, func(l hook.SteppedLoop) bool { return l == p.step })
		}
	}))
}

// busy reports whether a turn of the process would do something.
func (p *Process) busy() bool {
	return !p.ended && p.paused <= p.h.w.net.Now() && (p.driver.Pending() || p.step.Ready(p.driver.Now()))
}

// next returns when it has something to do next, on the clock of the host's loops.
func (p *Process) next() time.Duration {
	next := p.step.Next()
	if p.driver.Pending() || p.step.Ready(p.driver.Now()) {
		next = 0 // it is paused
	}
	if next < driver.Forever {
		next = max(next, p.paused+p.h.skew)
	}
	return next
}

// started is a Process as its parent has it.
type started struct{ p *Process }

var _ driver.Process = started{}

func (s started) Pid() int      { return s.p.pid }
func (s started) Path() string  { return s.p.command }
func (s started) ExitCode() int { return s.p.code }

func (s started) Signal(sig os.Signal) error { return s.p.Signal(sig) }

func (s started) Pipe(i int) driver.Conn {
	c := s.p.pipes[i]
	s.p.pipes[i] = nil
	return c
}

func (s started) Watch(h driver.Handler) {
	s.p.told = s.p.of.NewNotice(once{h, &s.p.told})
	if s.p.ended {
		s.p.told.Tell()
	}
}

// once closes a notice when it has told.
type once struct {
	driver.Handler
	notice **netsim.Notice
}

func (o once) Ready(e driver.Event) {
	_ = (*o.notice).Close() // it is open
	o.Handler.Ready(e)
}

// A crowd is the loop of a host's program and those of its processes, as one: which of
// them takes a turn is the world's choice.
type crowd struct {
	hook.SteppedLoop
	h *Host
}

// Turn implements [hook.SteppedLoop].
func (c *crowd) Turn() error {
	h := c.h
	var busy []hook.SteppedLoop
	if h.driver.Pending() || c.SteppedLoop.Ready(h.driver.Now()) {
		busy = append(busy, c.SteppedLoop)
	}
	for _, p := range h.processes {
		if p.busy() {
			busy = append(busy, p.step)
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return busy[h.w.tape.pick(schedStream, len(busy))].Turn()
}

// Ready implements [hook.SteppedLoop].
func (c *crowd) Ready(now time.Duration) bool {
	return c.SteppedLoop.Ready(now) || slices.ContainsFunc(c.h.processes, (*Process).busy)
}

// Next implements [hook.SteppedLoop].
func (c *crowd) Next() time.Duration {
	next := c.SteppedLoop.Next()
	for _, p := range c.h.processes {
		next = min(next, p.next())
	}
	return next
}

// Deadline implements [hook.SteppedLoop].
func (c *crowd) Deadline() (when time.Time, ok bool) {
	when, ok = c.SteppedLoop.Deadline()
	for _, p := range c.h.processes {
		if d, has := p.step.Deadline(); has && (!ok || d.Before(when)) {
			when, ok = d, true
		}
	}
	return when, ok
}
