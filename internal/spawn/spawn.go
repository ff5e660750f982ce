// Package spawn starts processes: it finds the program, opens what becomes its
// standard descriptors, asks the system for what is wanted, and hands over the
// process with this side's ends of its pipes. Its platform files hold what
// differs by system in that, in how a process ends and in the pipes to it.
//
// It knows nothing of loops. Starting blocks; who waits for a process, and when,
// is the caller's affair.
package spawn

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// A Command is what is to be started. The zero value of all but Name is what
// this process has.
type Command struct {
	Name  string
	Args  []string // without the name
	Shell bool     // Name is a line for the shell
	Std   [3]Redirect
	// Blocking makes this side's ends of pipes block where that is cheaper, for who
	// goes on with copies of them.
	Blocking bool
	Extra    []*os.File // descriptors from 3 on
	Env      []string   // nil: this process's
	Dir      string
	Attributes
}

// Attributes are what is asked of the system about a process. Each system has
// its own way, and not all of them.
type Attributes struct {
	Sys         *syscall.SysProcAttr // what the others are added to; not changed
	Group       bool                 // into the process group GroupID; 0: a new one
	GroupID     int
	Session     bool // a new one
	Controls    bool // a new one, whose terminal is the process's ControlFD
	ControlFD   int
	Terminal    *Size // a new one, which is all of Std; nil: none
	Credential  *Credential
	DeathSignal os.Signal // when the thread that has started it dies; nil: none
}

// A Credential is as whom a process runs.
type Credential struct {
	UID, GID uint32
	Groups   []uint32 // no others
}

// A Process was started, and nobody waits for it yet.
type Process struct {
	*os.Process
	Path  string      // of the program
	Pipes [3]*os.File // this side's ends; nil where there is no pipe
}

// ClosePipes closes this side's ends of the pipes that are still there.
func (p *Process) ClosePipes() { closeAll(p.Pipes[:]) }

// Discard ends a process that nobody wants. It blocks until that is reaped.
func (p *Process) Discard() {
	p.ClosePipes()
	_ = p.Kill()
	_, _ = p.Wait()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// A Starter starts a command, once.
type Starter struct {
	command *Command
	attr    *syscall.SysProcAttr
}

// New returns a starter of the command, which must not be changed until it has
// started. What this system has no way to do returns [errors.ErrUnsupported].
func New(c *Command) (*Starter, error) {
	attr, err := c.sysProcAttr()
	if err != nil {
		return nil, err
	}
	return &Starter{c, attr}, nil
}

// DiesWithThread reports whether the process will end with the thread that
// starts it.
func (s *Starter) DiesWithThread() bool { return diesWithThread(s.attr) }

// Start starts the process. It blocks, for as long as it takes to find the
// program and to make a process. Its errors are those of [exec.Cmd.Start].
func (s *Starter) Start() (*Process, error) {
	cmd, err := s.find()
	if err != nil {
		return nil, err
	}
	std, err := s.command.openStdio()
	defer std.closeTheirs()
	if err == nil {
		std.giveTo(cmd)
		err = cmd.Start()
	}
	if err != nil {
		closeAll(std.pipes[:])
		return nil, err
	}
	p := &Process{cmd.Process, cmd.Path, std.pipes}
	// The caller waits for it and cmd does not, which GODEBUG=execwait=2 would
	// take for a mistake.
	cmd.Process = nil
	return p, nil
}

// find makes the exec.Cmd of the program or of the shell.
func (s *Starter) find() (*exec.Cmd, error) {
	c := s.command
	var cmd *exec.Cmd
	if c.Shell {
		cmd = shellCommand(c.Name, s.attr)
	} else {
		name, err := c.lookUp()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(name, c.Args...)
		cmd.Args[0] = c.Name
	}
	cmd.Env = c.Env
	cmd.Dir = c.Dir
	cmd.ExtraFiles = c.Extra
	cmd.SysProcAttr = s.attr
	return cmd, nil
}

// lookUp finds the program in the PATH of the environment that it will have.
func (c *Command) lookUp() (string, error) {
	if c.Env == nil || filepath.Base(c.Name) != c.Name {
		return c.Name, nil // exec.Command looks in this process's PATH
	}
	path, given := pathOf(c.Env)
	if !given {
		return c.Name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // as exec.LookPath, which does not run what happens to lie about
		}
		if found, err := exec.LookPath(filepath.Join(dir, c.Name)); err == nil {
			return found, nil
		}
	}
	return "", &exec.Error{Name: c.Name, Err: exec.ErrNotFound}
}

// pathOf returns the PATH of an environment: the last one, which counts.
func pathOf(env []string) (path string, given bool) {
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && (k == "PATH" || runtime.GOOS == "windows" && strings.EqualFold(k, "PATH")) {
			path, given = v, true
		}
	}
	return path, given
}
