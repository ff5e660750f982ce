package asyncio

import (
	"context"
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/virtual"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// ErrNoProcesses is returned for a process on the virtual clock, whose time
// could not go on while a real process runs.
var ErrNoProcesses = fmt.Errorf("asyncio: the virtual clock has no processes: %w", errors.ErrUnsupported)

// startProcess starts the command and hands the process over. When it is not
// taken, it is ended.
func (t *task) startProcess(level context.Context, cmd spawn.Command, opts []ProcessOption, take func(*startedProcess, *processOptions) error) error {
	o, err := newProcessOptions(cmd, opts)
	if err != nil {
		return err
	}
	p, err := t.loop.start(t, level, &o.command)
	if err != nil {
		return err
	}
	if err := take(p, o); err != nil {
		t.loop.discard(p)
		return err
	}
	return nil
}

// A starting is a process that is being started on a goroutine.
type starting struct {
	proc *spawn.Process
	err  error
	done waitList
	over bool
}

// start starts the command and suspends t until it has.
//
// Starting takes between a tenth of a millisecond and as long as the file
// system needs to find the program; meanwhile the loop has better things to
// do. So it happens on a goroutine, and not one of the executor: jobs that fill
// that may be waiting for the very process. A wait that is interrupted goes on
// until the process is there, and can be killed: until then the caller must
// not close the files that it gets.
func (l *Loop) start(t *task, level context.Context, cmd *spawn.Command) (*startedProcess, error) {
	if by, ok := l.driver.(driver.Starter); ok {
		return l.startSimulated(t, level, by, cmd)
	}
	if _, ok := l.driver.(*virtual.Driver); ok {
		return nil, ErrNoProcesses
	}
	if err := l.escape("a process"); err != nil {
		return nil, err
	}
	_, cmd.Blocking = l.driver.(driver.FileCopier)
	starter, err := spawn.New(cmd)
	if err != nil {
		return nil, err
	}
	s := &starting{}
	c := l.processPart()
	c.begin(s)
	c.launcher(starter)(func() {
		defer c.under.Done()
		s.proc, s.err = starter.Start()
		if l.inbox.put(&Handle{fn: func() { c.begun(s) }}) {
			l.driver.Wake()
		} // else the loop is closed, and looks after it
	})
	var interrupted error
	for !s.over {
		if err := s.done.wait(t, level, s); err != nil && interrupted == nil {
			interrupted, level = err, nil
			defer t.patient()()
		}
		if l.closing {
			return nil, ErrLoopClosed
		}
	}
	delete(c.unborn, s)
	if interrupted != nil {
		if s.err == nil {
			l.discard(&startedProcess{Process: s.proc})
		}
		return nil, interrupted
	}
	if s.err != nil {
		return nil, s.err
	}
	return &startedProcess{Process: s.proc}, nil
}

// discard ends a process that nobody wants.
func (l *Loop) discard(p *startedProcess) {
	p.closePipes()
	l.adopt(p, false, nil).kill()
}
