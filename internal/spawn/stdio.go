package spawn

import (
	"os"
	"os/exec"
)

// A Redirect says what a standard descriptor of a process is.
type Redirect struct {
	Kind Kind
	File *os.File // of UseFile
}

// A Kind is a kind of [Redirect].
type Kind uint8

// The kinds of a standard descriptor.
const (
	Inherit  Kind = iota // this process's
	Pipe                 // a new pipe
	DevNull              // the null device
	ToStdout             // for standard error: where standard output goes
	UseFile              // a file; the process gets a copy
)

// stdio is the standard descriptors of a process that is being started.
type stdio struct {
	std    [3]*os.File
	theirs []*os.File  // those of std that were opened for it: it gets copies
	pipes  [3]*os.File // this side's ends
}

// openStdio opens what the process gets. After an error, too, what it returns is
// to be closed.
func (c *Command) openStdio() (*stdio, error) {
	s := &stdio{}
	if c.Terminal != nil {
		return s, s.openTerminal(*c.Terminal)
	}
	for i, r := range c.Std {
		if err := s.redirect(i, r, c.Blocking); err != nil {
			return s, err
		}
	}
	return s, nil
}

// redirect opens the i'th descriptor.
func (s *stdio) redirect(i int, r Redirect, blocking bool) error {
	switch r.Kind {
	case Inherit:
		s.std[i] = [...]*os.File{os.Stdin, os.Stdout, os.Stderr}[i]
	case UseFile:
		s.std[i] = r.File
	case ToStdout:
		s.std[i] = s.std[1]
	case DevNull:
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		s.openedFor(i, f)
	case Pipe:
		open := os.Pipe
		if blocking {
			open = blockingPipe
		}
		theirs, ours, err := open()
		if err != nil {
			return err
		}
		if i != 0 { // they write, and this side reads
			theirs, ours = ours, theirs
		}
		s.pipes[i] = ours
		s.openedFor(i, theirs)
	}
	return nil
}

// openedFor makes f, which was opened for that, the process's i'th descriptor.
func (s *stdio) openedFor(i int, f *os.File) {
	s.std[i] = f
	s.theirs = append(s.theirs, f)
}

// openTerminal makes a terminal all three. Its end on this side takes the place
// of the pipe of standard output.
func (s *stdio) openTerminal(size Size) error {
	master, slave, err := openTerminal(size)
	if err != nil {
		return err
	}
	s.pipes[1] = master
	s.openedFor(0, slave)
	s.std[1], s.std[2] = slave, slave
	return nil
}

// giveTo gives them as files, not as readers and writers: then exec.Cmd starts no
// goroutines.
func (s *stdio) giveTo(cmd *exec.Cmd) {
	if s.std[0] != nil {
		cmd.Stdin = s.std[0]
	}
	if s.std[1] != nil {
		cmd.Stdout = s.std[1]
	}
	if s.std[2] != nil {
		cmd.Stderr = s.std[2]
	}
}

func (s *stdio) closeTheirs() { closeAll(s.theirs) }
