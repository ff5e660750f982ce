package asyncio

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"syscall"
)

// A ProcessOption is an option of [CreateSubprocessExec], [CreateSubprocessShell],
// [Loop.SubprocessExec] and [Loop.SubprocessShell].
type ProcessOption interface{ applyProcess(*processOptions) }

type processOption func(*processOptions)

func (f processOption) applyProcess(o *processOptions) { f(o) }

// A Redirect says what a standard descriptor of a process is: [Inherit],
// [Pipe], [DevNull], [ToStdout], or a file by [UseFile].
type Redirect struct {
	kind redirectKind
	file *os.File
}

type redirectKind uint8

const (
	inherit redirectKind = iota
	pipe
	devNull
	toStdout
	useFile
)

var (
	// Inherit is the descriptor of this process. It is what a descriptor is
	// without an option. Python: None.
	Inherit = Redirect{kind: inherit}
	// Pipe is a new pipe, whose other end is a stream of the [Process].
	// Python: subprocess.PIPE.
	Pipe = Redirect{kind: pipe}
	// DevNull is the null device. Python: subprocess.DEVNULL.
	DevNull = Redirect{kind: devNull}
	// ToStdout, for standard error only, is wherever standard output goes.
	// Python: subprocess.STDOUT.
	ToStdout = Redirect{kind: toStdout}
)

// UseFile is the file f. The process gets a copy of its descriptor; f stays the
// caller's, who may close it once the process was started. On Unix f becomes
// blocking, as [os.ProcAttr] says.
func UseFile(f *os.File) Redirect { return Redirect{useFile, f} }

// processOptions is all that says how a process is started. The fields that
// are asked for by name are put into a SysProcAttr by each system's own file.
type processOptions struct {
	std   [3]Redirect
	extra []*os.File
	env   []string // nil: this process's
	dir   string
	limit int

	sys       *syscall.SysProcAttr
	group     bool
	groupID   int
	session   bool
	controls  bool // a terminal, its descriptor controlFD
	controlFD int
	terminal  struct {
		is            bool
		columns, rows int
	}
	credential *credential
	deathSig   os.Signal
	detached   bool
}

type credential struct {
	uid, gid uint32
	groups   []uint32
}

func newProcessOptions(opts []ProcessOption) (*processOptions, error) {
	o := &processOptions{limit: defaultLimit}
	for _, opt := range opts {
		opt.applyProcess(o)
	}
	return o, o.check()
}

func (o *processOptions) check() error {
	for i, r := range o.std {
		switch {
		case r.kind == toStdout && i != 2:
			return fmt.Errorf("ToStdout is for standard error only: %w", fs.ErrInvalid)
		case r.kind == useFile && r.file == nil:
			return fmt.Errorf("UseFile without a file: %w", fs.ErrInvalid)
		}
	}
	if t := o.terminal; t.is {
		if o.std != [3]Redirect{} {
			return fmt.Errorf("WithTerminal is all three standard descriptors, and leaves none for WithStdin, WithStdout, WithStderr: %w", fs.ErrInvalid)
		}
		if t.columns < 0 || t.columns > math.MaxUint16 || t.rows < 0 || t.rows > math.MaxUint16 {
			return fmt.Errorf("a terminal of %d columns and %d rows: %w", t.columns, t.rows, fs.ErrInvalid)
		}
	}
	if slices.Contains(o.extra, nil) {
		return fmt.Errorf("WithExtraFiles with a nil file: %w", fs.ErrInvalid)
	}
	if o.detached && o.deathSig != nil {
		return errors.New("a process cannot both outlive the loop (WithDetached) and die with it (WithPdeathsig)")
	}
	return nil
}

// WithStdin says what the process reads from. Python: stdin=.
func WithStdin(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.std[0] = r })
}

// WithStdout says where the process writes to. Python: stdout=.
func WithStdout(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.std[1] = r })
}

// WithStderr says where the process writes its errors to. Python: stderr=.
func WithStderr(r Redirect) ProcessOption {
	return processOption(func(o *processOptions) { o.std[2] = r })
}

// WithExtraFiles gives the process more descriptors: the first file is its
// descriptor 3, the next one 4, and so on. All others of this process stay
// closed to it. Python: pass_fds=.
func WithExtraFiles(files ...*os.File) ProcessOption {
	return processOption(func(o *processOptions) { o.extra = append(o.extra, files...) })
}

// WithEnv makes env, of the form "key=value", the whole environment of the
// process. A program given by a bare name is looked for in its PATH. Python:
// env=.
func WithEnv(env ...string) ProcessOption {
	return processOption(func(o *processOptions) { o.env = append([]string{}, env...) })
}

// WithDir makes dir the process's working directory. Python: cwd=.
func WithDir(dir string) ProcessOption {
	return processOption(func(o *processOptions) { o.dir = dir })
}

// WithProcessGroup puts the process into the process group of that number, or,
// for 0, into a new one, which it leads. A ^C at the terminal does not reach
// that then. On Windows only 0 is possible. Python: process_group=.
func WithProcessGroup(id int) ProcessOption {
	return processOption(func(o *processOptions) { o.group, o.groupID = true, id })
}

// WithNewSession makes the process the leader of a new session, without a
// terminal. It is for Unix. Python: start_new_session=.
func WithNewSession() ProcessOption {
	return processOption(func(o *processOptions) { o.session = true })
}

// WithControllingTerminal makes the process the leader of a new session whose
// terminal is the process's descriptor fd: 0 for the one that [WithStdin] has
// given. It is for Unix.
func WithControllingTerminal(fd int) ProcessOption {
	return processOption(func(o *processOptions) { o.controls, o.controlFD = true, fd })
}

// WithTerminal runs the process on a new pseudo-terminal of that size: it is
// its standard input, output and error, and the terminal of its new session.
// Stdin writes what is typed there, and Stdout reads what is shown; for a
// protocol both are the transport of descriptor 1. To end the input, write ^D
// ("\x04"): to close Stdin is to hang up. It is for Linux.
func WithTerminal(columns, rows int) ProcessOption {
	return processOption(func(o *processOptions) {
		o.terminal.is, o.terminal.columns, o.terminal.rows = true, columns, rows
	})
}

// WithCredential makes the process run as that user and group, and in those
// further groups only. It needs the right to do so, and Unix. Python: user=,
// group=, extra_groups=.
func WithCredential(uid, gid uint32, groups ...uint32) ProcessOption {
	return processOption(func(o *processOptions) { o.credential = &credential{uid, gid, groups} })
}

// WithPdeathsig makes the system send sig to the process when this one dies,
// however it dies. It is for Linux and FreeBSD.
//
// On Linux the death that counts is that of the thread which has started the
// process, and Go ends threads at will. So all such processes of a loop are
// started by one thread, which is kept until the loop is closed.
func WithPdeathsig(sig os.Signal) ProcessOption {
	return processOption(func(o *processOptions) { o.deathSig = sig })
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
	return processOption(func(o *processOptions) { o.sys = attr })
}
