package asyncio

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A child is a process that the loop has started, as both forms of the API use
// it. The loop alone waits for it: with the driver's help where that can watch
// processes, else by a goroutine. So it is reaped once, as soon as it has
// ended, whether anybody asks for that or not.
//
// Nothing but what is here calls proc.Wait. proc.Signal may be called at any
// time: it knows whether the process was reaped, and so never hits another one
// that has got its number.
type child struct {
	loop      *Loop
	proc      *os.Process    // or
	simulated driver.Process // of the driver's world
	pid       int            // proc's, which forgets it when it is released
	command   string         // the path of its program
	detached  bool
	released  atomic.Bool   // somebody else has reaped it: proc says nothing any more
	watch     io.Closer     // nil: a goroutine waits
	reaped    chan struct{} // then: closed when it has, and outcome is set
	outcome   struct {
		state *os.ProcessState
		err   error
	}

	done   bool
	state  *os.ProcessState // nil when somebody else has reaped it
	exited waitList
	owner  childOwner
}

// A childOwner is told what becomes of a process.
type childOwner interface {
	// exited says that it has ended.
	exited()
	// abandoned says that the loop is closed, and it has not.
	abandoned()
}

var _ driver.Handler = (*child)(nil)

// children is a loop's processes.
type children struct {
	alive  map[*child]struct{}
	unborn map[*starting]struct{}
	under  sync.WaitGroup // the goroutines that start them
	keeper chan func()    // the thread that starts those who die with it
}

func (l *Loop) processPart() *children { return partOf[children](l, processesPart) }

// begin notes a process that is being started.
func (s *children) begin(p *starting) {
	if s.unborn == nil {
		s.unborn = make(map[*starting]struct{})
	}
	s.unborn[p] = struct{}{}
	s.under.Add(1)
}

// begun tells who waits for it. Until that has taken it, it is the loop's, which may be
// closed before.
func (s *children) begun(p *starting) {
	p.over = true
	p.done.fire(nil)
}

// closeGrace bounds what closing a loop waits for processes that it has killed.
const closeGrace = 5 * time.Second

// launcher returns what runs the function that starts a process: a goroutine, or
// for one that dies with its thread, a goroutine that keeps its thread.
func (s *children) launcher(starter *spawn.Starter) func(func()) {
	if !starter.DiesWithThread() {
		return func(start func()) { go start() }
	}
	if s.keeper == nil {
		s.keeper = make(chan func())
		go keepThread(s.keeper)
	}
	keeper := s.keeper
	return func(start func()) { go func() { keeper <- start }() }
}

// keepThread runs functions on one thread, until there will be no more.
func keepThread(fns <-chan func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for fn := range fns {
		fn()
	}
}

// adopt takes a process on.
func (l *Loop) adopt(p *startedProcess, detached bool, owner childOwner) *child {
	if p.simulated != nil {
		return l.adoptSimulated(p.simulated, detached, owner)
	}
	proc := p.Process.Process
	c := &child{loop: l, proc: proc, pid: proc.Pid, command: p.Path, detached: detached, owner: owner}
	l.processPart().add(c)
	if w, ok := l.driver.(driver.ProcessWatcher); ok {
		watch, err := w.WatchProcess(proc, c)
		if err == nil {
			c.watch = watch
			return c
		}
	}
	c.waitOutside()
	return c
}

func (s *children) add(c *child) {
	if s.alive == nil {
		s.alive = make(map[*child]struct{})
	}
	s.alive[c] = struct{}{}
}

// Ready notes that the process has ended.
func (c *child) Ready(driver.Event) {
	if c.watch != nil || c.simulated != nil {
		c.loop.ready.Push(c)
	}
}

// run reaps the process.
func (c *child) run() {
	if c.simulated != nil {
		c.end(nil, nil)
		return
	}
	if c.watch == nil {
		return
	}
	_ = c.watch.Close()
	c.watch = nil
	c.end(c.wait())
}

// waitOutside makes a goroutine reap it.
func (c *child) waitOutside() {
	c.reaped = make(chan struct{})
	l, reaped := c.loop, c.reaped
	go func() {
		c.outcome.state, c.outcome.err = c.wait()
		close(reaped)
		l.post(&Handle{fn: func() { c.end(c.outcome.state, c.outcome.err) }})
	}()
}

// reap waits until it is reaped. It blocks.
func (c *child) reap() {
	if c.reaped != nil {
		<-c.reaped
	} else {
		c.outcome.state, c.outcome.err = c.wait()
	}
}

// wait reaps the process. Where somebody else has done that already, proc would
// keep its pidfd, which is of no use any more: that is let go of.
func (c *child) wait() (*os.ProcessState, error) {
	state, err := c.proc.Wait()
	if err != nil && c.proc.WithHandle(func(uintptr) {}) == nil {
		c.released.Store(true)
		_ = c.proc.Release()
	}
	return state, err
}

// end notes how the process has ended, and tells all who care.
func (c *child) end(state *os.ProcessState, err error) {
	if c.done {
		return
	}
	c.done = true
	c.state = state
	delete(c.loop.processPart().alive, c)
	if err != nil {
		c.loop.logger().Warn("asyncio: a process was reaped by somebody else; its return code is not known",
			"pid", c.pid, "error", err)
	}
	c.exited.fire(nil)
	if c.owner != nil {
		c.owner.exited()
	}
}

// unknownCode is the return code of a process that somebody else has reaped:
// where SIGCHLD is ignored, the system itself.
const unknownCode = 255

func (c *child) returnCode() (code int, ended bool) {
	switch {
	case !c.done:
		return 0, false
	case c.simulated != nil:
		return c.simulated.ExitCode(), true
	case c.state == nil:
		return unknownCode, true
	}
	return spawn.ExitCode(c.state), true
}

// settle waits until none is being started any more, but not for ever.
func (s *children) settle() {
	if len(s.unborn) == 0 {
		return
	}
	done := make(chan struct{})
	go func() {
		s.under.Wait()
		close(done)
	}()
	within(closeGrace, done)
}

// within waits for done, and reports whether it came in time.
func within(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// close kills what has not ended and is not detached, and waits for it, but not
// for ever: a process that hangs in the kernel cannot be killed.
func (s *children) close(l *Loop) {
	if len(s.alive) == 0 && len(s.unborn) == 0 && s.keeper == nil {
		return
	}
	var killed []*child
	for c := range s.alive {
		if c.simulated != nil {
			if _, closed := l.driver.(driver.Fence); closed || !c.detached {
				_ = c.signalSimulated(os.Kill) // it may have ended
			}
			c.end(nil, nil)
			continue
		}
		watched := c.watch != nil
		if watched {
			_ = c.watch.Close()
			c.watch = nil
		}
		if !c.detached && c.kill() {
			killed = append(killed, c)
		} else if watched {
			c.waitOutside()
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.under.Wait()
		for p := range s.unborn {
			if p.err == nil {
				p.proc.Discard()
			}
		}
		for _, c := range killed {
			c.reap()
		}
		if s.keeper != nil {
			close(s.keeper)
		}
	}()
	if within(closeGrace, done) {
		for _, c := range killed {
			c.end(c.outcome.state, c.outcome.err)
		}
	} else {
		l.logger().Error("asyncio: processes were killed and do not end", "after", closeGrace)
	}
	for c := range s.alive {
		if c.owner != nil {
			c.owner.abandoned()
		}
	}
	clear(s.alive)
}

// kill kills the process, and reports whether it will end or has. It may run as
// somebody else, and not be ours to kill.
func (c *child) kill() bool {
	err := c.send(os.Kill)
	return err == nil || errors.Is(err, os.ErrProcessDone)
}

func (c *child) signal(sig os.Signal) error { return c.signalled(c.send(sig)) }

func (c *child) terminate() error {
	if c.simulated != nil {
		return c.signal(syscall.SIGTERM)
	}
	return c.signalled(spawn.Terminate(c.proc))
}

// send sends a signal to the process.
func (c *child) send(sig os.Signal) error {
	if c.simulated != nil {
		return c.signalSimulated(sig)
	}
	return c.proc.Signal(sig)
}

func (c *child) signalled(err error) error {
	if err != nil {
		if c.released.Load() {
			err = os.ErrProcessDone
		}
		return fmt.Errorf("asyncio: signal to process %d: %w", c.pid, err)
	}
	return nil
}

// look implements lookingPart.
func (s *children) look(k *seenLoop) {
	for c := range s.alive {
		k.Processes = append(k.Processes, ProcessLook{PID: c.pid, Command: c.command})
	}
	slices.SortFunc(k.Processes, func(a, b ProcessLook) int { return cmp.Compare(a.PID, b.PID) })
}

// describeWait implements waitDescriber, for who waits for its end.
func (c *child) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "process", fmt.Sprintf("%d %s", c.pid, c.command)
	return c
}

func (s *starting) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "process", "its start"
	return s
}
