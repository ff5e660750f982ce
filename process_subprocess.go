package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A Process is a child process, with its pipes as streams. Python:
// asyncio.subprocess.Process.
//
// Its loop takes note of its end as soon as it comes, whether anybody waits or
// not, and no zombie stays. When the loop is closed, a process that has not
// ended is killed, as a transport does that is closed in Python; [WithDetached]
// prevents that.
//
// All methods are for the loop's goroutine, but for SendSignal, Terminate, Kill
// and Pid.
type Process struct {
	// Stdin is nil without WithStdin(Pipe). Closing it, or WriteEOF, closes the
	// pipe after all was written. When the process closes its end, or ends,
	// writing returns an error that is [syscall.EPIPE].
	Stdin *StreamWriter
	// Stdout is nil without WithStdout(Pipe). What was written before the
	// process ended can be read after that.
	Stdout *StreamReader
	// Stderr is nil without WithStderr(Pipe).
	Stderr *StreamReader

	child *child
	in    *inputPipe
	outs  [2]*outputPipe
	open  int // output pipes that have not ended

	terminal bool // outs[0] is one, and standard input too
}

// CreateSubprocessExec starts the program name with the arguments, which do not
// include the name, and returns the process. The name is looked for in the PATH
// as [exec.LookPath] does. Python: create_subprocess_exec.
//
// Without options the process has this one's standard descriptors, environment
// and directory. It is started on a goroutine: that takes up to some
// milliseconds, in which the loop goes on. When the call is cancelled, it kills
// the process as soon as it is there, and returns then. An error of starting is as
// [exec.Cmd.Start] returns it. On the virtual clock it is [ErrNoProcesses].
//
// A process costs a descriptor for each pipe and, on Linux, one for itself; on
// other systems a thread that waits for it.
func CreateSubprocessExec(ctx context.Context, name string, args []string, opts ...ProcessOption) (*Process, error) {
	return createProcess(ctx, spawn.Command{Name: name, Args: args}, opts)
}

// CreateSubprocessShell starts a line for the shell: /bin/sh, and cmd.exe on
// Windows. What the line is made of must be quoted as the shell wants it: with
// the words of strangers, use [CreateSubprocessExec]. Python:
// create_subprocess_shell.
func CreateSubprocessShell(ctx context.Context, line string, opts ...ProcessOption) (*Process, error) {
	return createProcess(ctx, spawn.Command{Name: line, Shell: true}, opts)
}

func createProcess(ctx context.Context, cmd spawn.Command, opts []ProcessOption) (*Process, error) {
	t, level, err := enter(ctx)
	if err != nil {
		return nil, err
	}
	p := &Process{}
	err = t.startProcess(level, cmd, opts, func(s *startedProcess, o *processOptions) error { return p.connect(t.loop, s, o) })
	if err != nil {
		return nil, fmt.Errorf("asyncio: create subprocess: %w", err)
	}
	return p, nil
}

// connect takes the process on. After an error it is not, and the pipes that
// were opened are closed.
func (p *Process) connect(l *Loop, s *startedProcess, o *processOptions) (err error) {
	defer func() {
		if err != nil {
			p.closePipes()
		}
	}()
	for i := range 3 {
		f := s.pipe(i)
		if f == nil {
			continue
		}
		if i == 0 {
			if p.in, err = l.newInputPipe(f); err != nil {
				return err
			}
			p.Stdin = &p.in.writer
			continue
		}
		out, err := l.newOutputPipe(f, o.limit, p.outputEnded)
		p.outs[i-1] = out
		if err != nil {
			return err
		}
		p.open++
		if i == 1 {
			p.Stdout = &out.reader
			if o.command.Terminal != nil {
				p.terminal = true
				out.sock.oneWay = true
				p.Stdin = &StreamWriter{sock: &out.sock}
			}
		} else {
			p.Stderr = &out.reader
		}
	}
	p.child = l.adopt(s, o.detached, p)
	return nil
}

// exited implements childOwner.
func (p *Process) exited() {
	for _, out := range p.outs {
		if out != nil {
			out.drain()
		}
	}
	p.closeInput()
}

// abandoned implements childOwner.
func (p *Process) abandoned() {}

func (p *Process) outputEnded() {
	p.open--
	p.closeInput()
}

// closeInput closes standard input once the process has ended, and with it all
// who had its outputs.
func (p *Process) closeInput() {
	if p.in != nil && p.open == 0 && p.child.done {
		p.in.sock.close()
	}
}

func (p *Process) closePipes() {
	if p.in != nil && p.in.sock.conn != nil {
		p.in.sock.abort(nil)
	}
	for _, out := range p.outs {
		if out != nil && out.sock.conn != nil {
			out.sock.abort(nil)
		}
	}
}

// Pid returns the process's number. After the end it may be another's. Python: pid.
func (p *Process) Pid() int { return p.child.pid }

// ReturnCode returns the process's return code, and whether it has ended: what
// it gave to exit, or for one that a signal has ended, the signal's number,
// negative. It is 255 when somebody else has reaped the process, which happens
// where SIGCHLD is ignored. Python: returncode.
func (p *Process) ReturnCode() (code int, ended bool) { return p.child.returnCode() }

// State returns all that the system says about a process that has ended; nil
// before that, and when somebody else has reaped it.
func (p *Process) State() *os.ProcessState { return p.child.state }

// Wait suspends the running task until the process has ended, and returns its
// return code, as ReturnCode does. It does not wait for the pipes: a process of
// the process may hold them much longer. A process that waits for somebody to
// read its output does not end; see [Process.Communicate]. Several tasks may
// wait; that one is cancelled does nothing to the process. Python: wait.
func (p *Process) Wait(ctx context.Context) (int, error) {
	t, level, err := enter(ctx)
	if err != nil {
		return 0, err
	}
	if t.loop != p.child.loop {
		return 0, ErrWrongLoop
	}
	if !p.child.done {
		if err := p.child.exited.wait(t, level, p.child); err != nil {
			return 0, err
		}
	}
	code, _ := p.child.returnCode()
	return code, nil
}

// SendSignal sends sig to the process. Once the process was reaped it returns
// [os.ErrProcessDone], and never hits another that has got the number. It may
// be called from any goroutine. Python: send_signal.
func (p *Process) SendSignal(sig os.Signal) error { return p.child.signal(sig) }

// Terminate asks the process to end, by SIGTERM; on Windows it kills it. It may
// be called from any goroutine. Python: terminate.
func (p *Process) Terminate() error { return p.child.terminate() }

// Kill ends the process. It may be called from any goroutine. Python: kill.
func (p *Process) Kill() error { return p.child.signal(os.Kill) }

// Stop asks the process to end, as [Process.Terminate] does, and waits for that. When it
// has not ended after grace, it is killed. Stop returns its return code. When the wait is
// cancelled, or ctx ends, the process is killed at once, and Stop returns that error.
// What the process has started itself is not told: when a shell is stopped, the programs of
// its pipeline go on. On Unix, start it with [WithProcessGroup](0), and before Stop call
// syscall.Kill(-p.Pid(), syscall.SIGTERM), which reaches all of its group.
// Python programs write terminate, wait_for(wait()) and kill.
func (p *Process) Stop(ctx context.Context, grace time.Duration) (code int, err error) {
	if err := p.Terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("asyncio: stop %v: %w", p, err)
	}
	wait := func(ctx context.Context) (err error) {
		code, err = p.Wait(ctx)
		return err
	}
	err = Timeout(ctx, grace, wait)
	if err == nil {
		return code, nil
	}
	if killed := p.Kill(); killed != nil && !errors.Is(killed, os.ErrProcessDone) {
		return 0, fmt.Errorf("asyncio: stop %v: %w", p, killed)
	}
	var late *TimeoutError
	if !errors.As(err, &late) || ctx.Err() != nil {
		return 0, err
	}
	return code, wait(ctx)
}

// SetTerminalSize tells a process started with [WithTerminal] that its terminal
// has another size: it gets a SIGWINCH. For the loop's goroutine.
func (p *Process) SetTerminalSize(columns, rows int) error {
	if !p.terminal {
		return fmt.Errorf("asyncio: size of a terminal: the process has none: %w", fs.ErrInvalid)
	}
	raw, err := p.outs[0].sock.conn.SyscallConn()
	if err == nil {
		err = spawn.SetTerminalSize(raw, spawn.Size{Columns: columns, Rows: rows})
	}
	if err != nil {
		return fmt.Errorf("asyncio: size of a terminal: %w", err)
	}
	return nil
}

func (p *Process) String() string {
	if code, ended := p.ReturnCode(); ended {
		return fmt.Sprintf("process %d, ended with %d", p.Pid(), code)
	}
	return fmt.Sprintf("process %d, running", p.Pid())
}

// Close closes the pipes, and kills the process if it has not ended. What was
// read before stays in the readers. It never waits; closing twice does nothing.
// Python: close of the process's transport.
func (p *Process) Close() error {
	if err := onLoop(); err != nil {
		return err
	}
	p.closePipes()
	if p.child.done || p.child.kill() {
		return nil
	}
	return fmt.Errorf("asyncio: process %d cannot be killed: %w", p.Pid(), fs.ErrPermission)
}
