package asyncio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A ProcessOption is an option of [CreateSubprocessExec], [CreateSubprocessShell],
// [Loop.SubprocessExec] and [Loop.SubprocessShell].
type ProcessOption interface{ applyProcess(*processOptions) }

type processOption func(*processOptions)

func (f processOption) applyProcess(o *processOptions) { f(o) }

// A ReaderOption is an option of whatever is read as a stream: connections and
// processes.
type ReaderOption interface {
	StreamOption
	ProcessOption
}

type readerOption struct {
	streamOption
	processOption
}

// WithLimit sets how long a line, or what [StreamReader.ReadUntil] reads, may
// be, in bytes, on connections and on the output of processes. Without it that
// is 64 KiB. Python: limit=.
func WithLimit(n int) ReaderOption {
	return readerOption{
		func(o *streamOptions) { o.limit = n },
		func(o *processOptions) { o.limit = n },
	}
}

// A Redirect says what a standard descriptor of a process is: [Inherit],
// [Pipe], [DevNull], [ToStdout], or a file by [UseFile].
type Redirect struct{ to spawn.Redirect }

var (
	// Inherit is the descriptor of this process. It is what a descriptor is
	// without an option. Python: None.
	Inherit = Redirect{spawn.Redirect{Kind: spawn.Inherit}}
	// Pipe is a new pipe, whose other end is a stream of the [Process].
	// Python: subprocess.PIPE.
	Pipe = Redirect{spawn.Redirect{Kind: spawn.Pipe}}
	// DevNull is the null device. Python: subprocess.DEVNULL.
	DevNull = Redirect{spawn.Redirect{Kind: spawn.DevNull}}
	// ToStdout, for standard error only, is wherever standard output goes.
	// Python: subprocess.STDOUT.
	ToStdout = Redirect{spawn.Redirect{Kind: spawn.ToStdout}}
)

// UseFile is the file f. The process gets a copy of its descriptor; f stays the
// caller's, who may close it once the process was started. On Unix f becomes
// blocking, as [os.ProcAttr] says.
func UseFile(f *os.File) Redirect { return Redirect{spawn.Redirect{Kind: spawn.UseFile, File: f}} }

// processOptions is what is started and how.
type processOptions struct {
	command  spawn.Command
	limit    int
	detached bool
}

func newProcessOptions(cmd spawn.Command, opts []ProcessOption) (*processOptions, error) {
	o := &processOptions{command: cmd, limit: defaultLimit}
	for _, opt := range opts {
		opt.applyProcess(o)
	}
	return o, o.check()
}

func (o *processOptions) check() error {
	for i, r := range o.command.Std {
		switch {
		case r.Kind == spawn.ToStdout && i != 2:
			return fmt.Errorf("ToStdout is for standard error only: %w", fs.ErrInvalid)
		case r.Kind == spawn.UseFile && r.File == nil:
			return fmt.Errorf("UseFile without a file: %w", fs.ErrInvalid)
		}
	}
	if size := o.command.Terminal; size != nil {
		if o.command.Std != [3]spawn.Redirect{} {
			return fmt.Errorf("WithTerminal is all three standard descriptors, and leaves none for WithStdin, WithStdout, WithStderr: %w", fs.ErrInvalid)
		}
		if err := size.Check(); err != nil {
			return err
		}
	}
	if slices.Contains(o.command.Extra, nil) {
		return fmt.Errorf("WithExtraFiles with a nil file: %w", fs.ErrInvalid)
	}
	if o.detached && o.command.DeathSignal != nil {
		return errors.New("a process cannot both outlive the loop (WithDetached) and die with it (WithPdeathsig)")
	}
	return nil
}

// WithStdin says what the process reads from. Python: stdin=.
func WithStdin(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Std[0] = r.to })
}

// WithStdout says where the process writes to. Python: stdout=.
func WithStdout(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Std[1] = r.to })
}

// WithStderr says where the process writes its errors to. Python: stderr=.
func WithStderr(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Std[2] = r.to })
}

// WithExtraFiles passes more descriptors to the process: the first file is its
// descriptor 3, the next one 4, and so on. All others of this process stay
// closed to it. Python: pass_fds=.
func WithExtraFiles(files ...*os.File) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Extra = append(o.command.Extra, files...) })
}

// WithEnv makes env, of the form "key=value", the whole environment of the
// process. A program given by a bare name is looked for in its PATH. Python:
// env=.
func WithEnv(env ...string) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Env = append([]string{}, env...) })
}

// WithDir makes dir the process's working directory. Python: cwd=.
func WithDir(dir string) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Dir = dir })
}

// WithProcessGroup puts the process into the process group of that number, or,
// for 0, into a new one, which it leads. A ^C at the terminal does not reach
// that then. On Windows only 0 is possible. Python: process_group=.
func WithProcessGroup(id int) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Group, o.command.GroupID = true, id })
}

// WithNewSession makes the process the leader of a new session, without a
// terminal. It is for Unix. Python: start_new_session=.
func WithNewSession() ProcessOption {
	return processOption(func(o *processOptions) { o.command.Session = true })
}

// WithControllingTerminal makes the process the leader of a new session whose
// terminal is the process's descriptor fd: 0 for the one that [WithStdin] has
// given. It is for Unix.
func WithControllingTerminal(fd int) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Controls, o.command.ControlFD = true, fd })
}

// WithTerminal runs the process on a new pseudo-terminal of that size: it is
// its standard input, output and error, and the terminal of its new session.
// Stdin writes what is typed there, and Stdout reads what is shown; for a
// protocol both are the transport of descriptor 1. To end the input, write ^D
// ("\x04"): to close Stdin is to hang up. It is for Linux.
func WithTerminal(columns, rows int) ProcessOption {
	return processOption(func(o *processOptions) {
		o.command.Terminal = &spawn.Size{Columns: columns, Rows: rows}
	})
}

// WithCredential makes the process run as that user and group, and in those
// further groups only. It needs the right to do so, and Unix. Python: user=,
// group=, extra_groups=.
func WithCredential(uid, gid uint32, groups ...uint32) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Credential = &spawn.Credential{UID: uid, GID: gid, Groups: groups} })
}

// WithPdeathsig makes the system send sig to the process when this one dies,
// however it dies. It is for Linux and FreeBSD.
//
// On Linux the death that counts is that of the thread which has started the
// process, and Go ends threads at will. So all such processes of a loop are
// started by one thread, which is kept until the loop is closed.
func WithPdeathsig(sig os.Signal) ProcessOption {
	return processOption(func(o *processOptions) { o.command.DeathSignal = sig })
}

// WithDetached lets the process go on when the loop is closed, which kills it
// otherwise. Its pipes are closed then all the same. While this program lives it still takes note of the end.
func WithDetached() ProcessOption {
	return processOption(func(o *processOptions) { o.detached = true })
}

// WithSysProcAttr starts the process with these attributes, to which what the
// other options say is added. attr is copied. Python: preexec_fn=, and what
// else the system offers.
func WithSysProcAttr(attr *syscall.SysProcAttr) ProcessOption {
	return processOption(func(o *processOptions) { o.command.Sys = attr })
}
