package asyncio

import (
	"context"
	"fmt"
	"os"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A SubprocessProtocol is told what happens to a process that
// [Loop.SubprocessExec] or [Loop.SubprocessShell] has started. One that has
// PauseWriting() and ResumeWriting() is also told how standard input flows, as
// a [Protocol] is. Python: SubprocessProtocol.
//
// The loop calls it like any protocol: from its ready queue, one call at a
// time. ConnectionMade comes first; ConnectionLost last, after ProcessExited and
// a PipeConnectionLost for each pipe. Between these there is no order: what the
// process has written may come after ProcessExited. A method that panics ends
// the pipe it is about, or closes the transport.
type SubprocessProtocol interface {
	// ConnectionMade is called when the process runs and its pipes stand.
	// Python: connection_made.
	ConnectionMade(t SubprocessTransport)
	// PipeDataReceived is called with what the process has written to its
	// descriptor fd, 1 or 2. The slice is valid during the call. Python:
	// pipe_data_received.
	PipeDataReceived(fd int, data []byte)
	// PipeConnectionLost is called when a pipe is closed: with nil at its end,
	// otherwise with what broke it, which is [syscall.EPIPE] for standard input
	// of which not all was read. Python: pipe_connection_lost.
	PipeConnectionLost(fd int, err error)
	// ProcessExited is called when the process has ended. Python:
	// process_exited.
	ProcessExited()
	// ConnectionLost is called when the process has ended and all pipes are
	// closed. err is [ErrLoopClosed] for a process that goes on when its loop
	// is closed, and else nil. Python: connection_lost.
	ConnectionLost(err error)
}

// BaseSubprocessProtocol does nothing in each method of a [SubprocessProtocol].
// Embed it for the methods that are not needed. Python: the base class's
// methods.
type BaseSubprocessProtocol struct{}

var _ SubprocessProtocol = BaseSubprocessProtocol{}

// ConnectionMade does nothing.
func (BaseSubprocessProtocol) ConnectionMade(SubprocessTransport) {}

// PipeDataReceived does nothing.
func (BaseSubprocessProtocol) PipeDataReceived(int, []byte) {}

// PipeConnectionLost does nothing.
func (BaseSubprocessProtocol) PipeConnectionLost(int, error) {}

// ProcessExited does nothing.
func (BaseSubprocessProtocol) ProcessExited() {}

// ConnectionLost does nothing.
func (BaseSubprocessProtocol) ConnectionLost(error) {}

// A SubprocessTransport is a process as its [SubprocessProtocol] sees it. All
// methods are for the loop's goroutine, but for Pid, SendSignal, Terminate and
// Kill. Python: SubprocessTransport.
type SubprocessTransport interface {
	// Pid returns the process's number. Python: get_pid.
	Pid() int
	// ReturnCode returns the return code, as [Process.ReturnCode] does. Python:
	// get_returncode.
	ReturnCode() (code int, ended bool)
	// State returns all that the system says about a process that has ended.
	// Python: get_extra_info('subprocess').
	State() *os.ProcessState
	// PipeTransport returns the transport of the process's descriptor 0, 1 or 2,
	// or nil where that is no pipe. Python: get_pipe_transport.
	PipeTransport(fd int) Transport
	// SendSignal is [Process.SendSignal]. Python: send_signal.
	SendSignal(sig os.Signal) error
	// Terminate is [Process.Terminate]. Python: terminate.
	Terminate() error
	// Kill is [Process.Kill]. Python: kill.
	Kill() error
	// Close closes the pipes, and kills the process if it has not ended.
	// Closing twice does nothing. Python: close.
	Close()
	// IsClosing reports whether Close was called. Python: is_closing.
	IsClosing() bool
	// SetProtocol makes p be told what follows. Python: set_protocol.
	SetProtocol(p SubprocessProtocol)
	// Protocol returns the protocol. Python: get_protocol.
	Protocol() SubprocessProtocol
	// Loop returns the loop.
	Loop() *Loop
}

// SubprocessExec starts the program name with the arguments, as
// [CreateSubprocessExec] does, and returns a transport, whose protocol the factory
// makes. It returns when ConnectionMade was called, before data is received.
// Unlike in Python no descriptor is a pipe unless an option says so. Python:
// loop.subprocess_exec.
func (l *Loop) SubprocessExec(ctx context.Context, factory func() SubprocessProtocol, name string, args []string, opts ...ProcessOption) (SubprocessTransport, SubprocessProtocol, error) {
	return l.subprocess(ctx, factory, spawn.Command{Name: name, Args: args}, opts)
}

// SubprocessShell is [Loop.SubprocessExec] for a line for the shell. Python:
// loop.subprocess_shell.
func (l *Loop) SubprocessShell(ctx context.Context, factory func() SubprocessProtocol, line string, opts ...ProcessOption) (SubprocessTransport, SubprocessProtocol, error) {
	return l.subprocess(ctx, factory, spawn.Command{Name: line, Shell: true}, opts)
}

func (l *Loop) subprocess(ctx context.Context, factory func() SubprocessProtocol, cmd spawn.Command, opts []ProcessOption) (SubprocessTransport, SubprocessProtocol, error) {
	t, level, err := enter(ctx)
	if err == nil && t.loop != l {
		err = ErrWrongLoop
	}
	if err != nil {
		return nil, nil, err
	}
	s := &subprocess{loop: l, protocol: factory(), waiter: &future{loop: l}}
	err = t.startProcess(level, cmd, opts, s.connect)
	if err == nil {
		if err = t.wait(s.waiter, level); err != nil {
			s.waiter.retrieved = true
			s.Close()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: subprocess: %w", err)
	}
	return s, s.protocol, nil
}

// subprocess is the SubprocessTransport. It is in the ready queue to make its
// own callbacks; those about pipes are made by their transports.
type subprocess struct {
	loop     *Loop
	child    *child
	protocol SubprocessProtocol
	pipes    [3]*processPipe
	terminal bool    // the pipe of descriptor 1 is one, and standard input too
	waiter   *future // for ConnectionMade
	made     bool
	lost     bool
	closed   bool
}

var (
	_ SubprocessTransport = (*subprocess)(nil)
	_ childOwner          = (*subprocess)(nil)
)

// connect takes the process on. After an error it is not, and what was opened
// is closed.
func (s *subprocess) connect(p *startedProcess, o *processOptions) error {
	s.loop.ready.Push(s) // ConnectionMade comes before all else
	for fd := range 3 {
		f := p.pipe(fd)
		if f == nil {
			continue
		}
		link := &processPipe{process: s, fd: fd}
		open := newReadPipe
		if fd == 0 {
			open = newWritePipe
		}
		var err error
		if link.transport, err = open(s.loop, link, f); err != nil {
			s.made, s.lost = true, true // there is nothing to tell
			s.closePipes()
			return err
		}
		s.pipes[fd] = link
		if o.command.Terminal != nil {
			s.terminal = true
			link.transport.sock.oneWay = true
		}
	}
	s.child = s.loop.adopt(p, o.detached, s)
	return nil
}

// run calls ConnectionMade, and ConnectionLost.
func (s *subprocess) run() {
	defer s.guard()
	switch {
	case s.lost:
	case !s.made:
		s.made = true
		s.protocol.ConnectionMade(s)
		if s.waiter.state == pending {
			s.waiter.setResult()
		}
	default:
		s.end(nil)
	}
}

// guard closes the transport when a callback has panicked.
func (s *subprocess) guard() {
	v := recover()
	if v == nil {
		return
	}
	err := s.loop.callbackPanicked(v, "a process, whose transport is closed", s)
	if s.waiter.state == pending {
		s.waiter.setError(err)
	}
	s.Close()
}

// exited implements childOwner.
func (s *subprocess) exited() {
	defer s.finish()
	defer s.guard()
	s.protocol.ProcessExited()
}

// abandoned implements childOwner.
func (s *subprocess) abandoned() {
	defer s.guard()
	s.end(ErrLoopClosed)
}

// finish makes ConnectionLost follow once there is nothing left.
func (s *subprocess) finish() {
	if !s.child.done {
		return
	}
	for _, p := range s.pipes {
		if p != nil && !p.lost {
			return
		}
	}
	if s.loop.closing { // there will be no further turn
		s.run()
	} else {
		s.loop.ready.Push(s)
	}
}

func (s *subprocess) end(err error) {
	if !s.lost {
		s.lost = true
		s.protocol.ConnectionLost(err)
	}
}

func (s *subprocess) Pid() int                           { return s.child.pid }
func (s *subprocess) ReturnCode() (code int, ended bool) { return s.child.returnCode() }
func (s *subprocess) State() *os.ProcessState            { return s.child.state }
func (s *subprocess) SendSignal(sig os.Signal) error     { return s.child.signal(sig) }
func (s *subprocess) Terminate() error                   { return s.child.terminate() }
func (s *subprocess) Kill() error                        { return s.child.signal(os.Kill) }
func (s *subprocess) IsClosing() bool                    { return s.closed }
func (s *subprocess) SetProtocol(p SubprocessProtocol)   { s.protocol = p }
func (s *subprocess) Protocol() SubprocessProtocol       { return s.protocol }
func (s *subprocess) Loop() *Loop                        { return s.loop }

func (s *subprocess) PipeTransport(fd int) Transport {
	if fd == 0 && s.terminal {
		fd = 1
	}
	if fd < 0 || fd >= len(s.pipes) || s.pipes[fd] == nil {
		return nil
	}
	return s.pipes[fd].transport
}

func (s *subprocess) Close() {
	if s.closed || onLoop() != nil {
		return
	}
	s.closed = true
	s.closePipes()
	if !s.child.done {
		s.child.kill() // one that runs as somebody else goes on
	}
}

func (s *subprocess) closePipes() {
	for _, p := range s.pipes {
		switch {
		case p == nil:
		case p.transport.order == callsNone: // its ConnectionLost would not come
			p.transport.Abort()
			s.loop.ready.Push(p)
		default:
			p.transport.Close()
		}
	}
}

// A processPipe passes on to the process's protocol what happens to one of its
// pipes.
type processPipe struct {
	process   *subprocess
	fd        int
	transport *transport
	lost      bool
}

var _ Protocol = (*processPipe)(nil)

func (p *processPipe) ConnectionMade(Transport) {}

func (p *processPipe) DataReceived(data []byte) {
	p.process.protocol.PipeDataReceived(p.fd, data)
}

func (p *processPipe) EOFReceived() bool { return false }

// run is for a pipe that was closed before it was made.
func (p *processPipe) run() { p.ConnectionLost(nil) }

func (p *processPipe) ConnectionLost(err error) {
	s := p.process
	if p.lost {
		return
	}
	p.lost = true
	if s.lost {
		return
	}
	defer s.finish()
	defer s.guard()
	s.protocol.PipeConnectionLost(p.fd, err)
}

// flowing is a protocol that wants to know how standard input flows.
type flowing interface {
	PauseWriting()
	ResumeWriting()
}

func (p *processPipe) PauseWriting() {
	if f, ok := p.process.protocol.(flowing); ok {
		f.PauseWriting()
	}
}

func (p *processPipe) ResumeWriting() {
	if f, ok := p.process.protocol.(flowing); ok {
		f.ResumeWriting()
	}
}
