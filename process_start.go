package asyncio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver/virtual"
)

// ErrNoProcesses is returned for a process on the virtual clock, whose time
// could not go on while a real process runs.
var ErrNoProcesses = fmt.Errorf("asyncio: the virtual clock has no processes: %w", errors.ErrUnsupported)

// A command is what is to be started.
type command struct {
	name  string
	args  []string
	shell bool // name is a line for the shell
	*processOptions
}

// started is a process that nobody has taken on yet, with this side's ends of
// its pipes.
type started struct {
	proc  *os.Process
	pipes [3]*os.File
}

// A starting is a process that is being started on a goroutine.
type starting struct {
	*started
	err  error
	done waitList
	over bool
}

// start starts the command and suspends t until it has been.
//
// Starting takes between a tenth of a millisecond and as long as the file
// system needs to find the program; meanwhile the loop has better things to
// do. So it happens on a goroutine, and not one of the executor: jobs that fill
// that may be waiting for the very process. A wait that is interrupted goes on
// until the process is there, and can be killed: until then the caller must
// not close the files that it gets.
func (l *Loop) start(t *task, level context.Context, cmd *command) (*started, error) {
	if _, ok := l.driver.(*virtual.Driver); ok {
		return nil, ErrNoProcesses
	}
	attr, err := cmd.sysProcAttr()
	if err != nil {
		return nil, err
	}
	s := &starting{}
	c := &l.children
	c.begin(s)
	c.launcher(attr)(func() {
		defer c.under.Done()
		s.started, s.err = cmd.start(attr)
		if l.inbox.put(&Handle{fn: func() { c.begun(s) }}) {
			l.driver.Wake()
		} // else the loop is closed, and looks after it
	})
	var interrupted error
	for !s.over {
		if err := s.done.wait(t, level); err != nil && interrupted == nil {
			interrupted, level = err, nil
		}
		if l.closing {
			return nil, ErrLoopClosed
		}
	}
	if interrupted != nil {
		if s.err == nil {
			l.discard(s.started)
		}
		return nil, interrupted
	}
	return s.started, s.err
}

// discard ends a process that nobody wants.
func (l *Loop) discard(s *started) {
	closeAll(s.pipes[:])
	l.adopt(s.proc, false, nil).kill()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// start starts the process. It blocks.
func (c *command) start(attr *syscall.SysProcAttr) (*started, error) {
	cmd, err := c.prepare(attr)
	if err != nil {
		return nil, err
	}
	s := &started{}
	var theirs []*os.File // the process's ends, of which it gets copies
	defer func() {
		closeAll(theirs)
		if s.proc == nil {
			closeAll(s.pipes[:])
		}
	}()
	var std [3]*os.File
	if c.terminal.is {
		slave, err := s.openTerminal(c.terminal.columns, c.terminal.rows)
		if err != nil {
			return nil, err
		}
		std = [3]*os.File{slave, slave, slave}
		theirs = append(theirs, slave)
	}
	for i, r := range c.std {
		if c.terminal.is {
			break
		}
		switch r.kind {
		case inherit:
			std[i] = [...]*os.File{os.Stdin, os.Stdout, os.Stderr}[i]
		case useFile:
			std[i] = r.file
		case toStdout:
			std[i] = std[1]
		case devNull:
			f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return nil, err
			}
			std[i] = f
			theirs = append(theirs, f)
		case pipe:
			r, w, err := os.Pipe()
			if err != nil {
				return nil, err
			}
			if i == 0 {
				std[i], s.pipes[i] = r, w
			} else {
				std[i], s.pipes[i] = w, r
			}
			theirs = append(theirs, std[i])
		}
	}
	// As files, not as readers and writers: then exec.Cmd starts no goroutines.
	if std[0] != nil {
		cmd.Stdin = std[0]
	}
	if std[1] != nil {
		cmd.Stdout = std[1]
	}
	if std[2] != nil {
		cmd.Stderr = std[2]
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// The loop waits for it and cmd does not, which GODEBUG=execwait=2 would
	// take for a mistake.
	s.proc, cmd.Process = cmd.Process, nil
	return s, nil
}

// prepare finds the program.
func (c *command) prepare(attr *syscall.SysProcAttr) (*exec.Cmd, error) {
	var cmd *exec.Cmd
	if c.shell {
		cmd = shellCommand(c.name, attr)
	} else {
		name, err := c.lookUp()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(name, c.args...)
		cmd.Args[0] = c.name
	}
	cmd.Env = c.env
	cmd.Dir = c.dir
	cmd.ExtraFiles = c.extra
	cmd.SysProcAttr = attr
	return cmd, nil
}

// lookUp finds the program in the PATH of the environment that it will have.
func (c *command) lookUp() (string, error) {
	if c.env == nil || filepath.Base(c.name) != c.name {
		return c.name, nil // exec.Command looks in this process's PATH
	}
	path, given := "", false
	for _, kv := range c.env {
		if k, v, ok := strings.Cut(kv, "="); ok && (k == "PATH" || runtime.GOOS == "windows" && strings.EqualFold(k, "PATH")) {
			path, given = v, true
		}
	}
	if !given {
		return c.name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // as exec.LookPath, which does not run what happens to lie about
		}
		if found, err := exec.LookPath(filepath.Join(dir, c.name)); err == nil {
			return found, nil
		}
	}
	return "", &exec.Error{Name: c.name, Err: exec.ErrNotFound}
}
