package driver

import (
	"context"
	"io"
	"os"
)

// A ProcessWatcher is a driver that learns of the end of a child process
// without a goroutine that waits for it. What a driver cannot watch, a
// goroutine waits for.
type ProcessWatcher interface {
	// WatchProcess tells h, by a Readable event, that p has ended: p.Wait does
	// not block then. The watch must be closed before p.Wait is called. It
	// returns an error where the system has no handles of processes.
	WatchProcess(p *os.Process, h Handler) (io.Closer, error)
}

// A Starter is a driver whose world has processes of its own.
type Starter interface {
	// StartProcess starts a process. Its errors are those of exec.Cmd.Start.
	StartProcess(s *ProcessSpec) (Process, error)
}

// A ProcessSpec says what to start.
type ProcessSpec struct {
	Name  string
	Args  []string // without the name
	Shell bool     // Name is a line for the shell
	Env   []string // nil: the world's
	Dir   string
	Std   [3]Stdio

	// System is the command whole, an internal/spawn.Command, for a driver that starts
	// processes of the system.
	System any
}

// A Stdio says what a standard descriptor of a process is.
type Stdio uint8

// The kinds of standard descriptors.
const (
	InheritStdio Stdio = iota // the world's
	PipeStdio                 // a pipe; this side's end is one of Process.Pipe
	NullStdio                 // nothing
	ToStdout                  // of standard error: where standard output goes
)

// A Process is one of a [Starter].
type Process interface {
	Pid() int
	Path() string
	// Pipe returns this side's end of the i'th standard descriptor, once; nil: that is
	// no pipe.
	Pipe(i int) Conn
	// Watch has h told, by a Readable event, that the process has ended, also where it
	// has already.
	Watch(h Handler)
	// ExitCode returns what a process that has ended has returned; for one that a
	// signal has ended, the negative number of that.
	ExitCode() int
	// Signal is as that of os.Process.
	Signal(sig os.Signal) error
}

// A PipeWriter is a Conn that is the writing end of a pipe without a descriptor.
type PipeWriter interface {
	// ReaderGone reports whether nobody is left who could read.
	ReaderGone() bool
}

// A WorkerHost is a driver that runs the functions of worker processes itself.
type WorkerHost interface {
	// RunWorker has call called in a worker of a pool, which has at most so many, and
	// then end; where the worker dies, call is called before that, or not at all.
	RunWorker(ctx context.Context, pool any, most int, call func(), end func(died bool))
}

// A FileCopier is a driver whose OpenFile goes on with a copy of the descriptor: the
// file that it is given may be one that blocks, of which Go's poller need not know.
type FileCopier interface{ CopiesFiles() }
