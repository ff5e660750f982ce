package asyncio

import (
	"context"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A startedProcess was started, and nobody waits for it yet. It is one of the system,
// or of the simulated world that the loop is in.
type startedProcess struct {
	*spawn.Process                // or
	simulated      driver.Process // of the driver
}

// pipe returns this side's end of the i'th standard descriptor, once, or nil.
func (p *startedProcess) pipe(i int) pipeSource {
	if p.simulated != nil {
		if c := p.simulated.Pipe(i); c != nil {
			return func(driver.Driver) (driver.Conn, error) { return c, nil }
		}
		return nil
	}
	f := p.Pipes[i]
	if f == nil {
		return nil
	}
	p.Pipes[i] = nil // the driver's now
	return fromFile(f)
}

// closePipes closes the ends that nobody has taken.
func (p *startedProcess) closePipes() {
	if p.simulated == nil {
		p.ClosePipes()
		return
	}
	for i := range 3 {
		if c := p.simulated.Pipe(i); c != nil {
			_ = c.Close() // there is nothing to be lost
		}
	}
}

// startSimulated starts a process in the loop's world, at a moment that is the world's
// choice.
func (l *Loop) startSimulated(t *task, level context.Context, by driver.Starter, cmd *spawn.Command) (*startedProcess, error) {
	spec, err := l.simulatedSpec(cmd)
	if err != nil {
		return nil, err
	}
	f := runInExecutor(l, baseOf(valuesOf(t, level)).outer, nil, func(context.Context) (driver.Process, error) { return by.StartProcess(spec) })
	// The task does not wait for f itself: to cancel it would cancel f, and nobody would
	// be told of the process.
	s, wanted := &starting{}, true
	drop := func() {
		if p, err := f.Result(); err == nil {
			l.discard(&startedProcess{simulated: p})
		}
	}
	f.AddDoneCallback(func() {
		if s.over = true; wanted {
			s.done.fire(nil)
		} else {
			drop()
		}
	})
	if err := s.done.wait(t, level, s); err != nil {
		if wanted = false; s.over {
			drop()
		}
		return nil, err
	}
	p, err := f.Result()
	return &startedProcess{simulated: p}, err
}

// simulatedSpec says what to start. What no simulated world has is an escape; what makes
// no difference there, groups, sessions and users, is passed over.
func (l *Loop) simulatedSpec(c *spawn.Command) (*driver.ProcessSpec, error) {
	s := &driver.ProcessSpec{Name: c.Name, Args: c.Args, Shell: c.Shell, Env: c.Env, Dir: c.Dir, System: c}
	var real string
	for i, r := range c.Std {
		switch r.Kind {
		case spawn.Pipe:
			s.Std[i] = driver.PipeStdio
		case spawn.DevNull:
			s.Std[i] = driver.NullStdio
		case spawn.ToStdout:
			s.Std[i] = driver.ToStdout
		case spawn.UseFile:
			real = "a process with a file of the system"
		}
	}
	switch {
	case c.Terminal != nil:
		real = "a process with a terminal"
	case len(c.Extra) > 0:
		real = "a process with descriptors of the system"
	case c.Sys != nil:
		real = "a process with attributes of the system"
	}
	if real != "" {
		if err := l.escape(real); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// adoptSimulated takes on a process of the loop's world.
func (l *Loop) adoptSimulated(p driver.Process, detached bool, owner childOwner) *child {
	c := &child{loop: l, simulated: p, pid: p.Pid(), command: p.Path(), detached: detached, owner: owner}
	l.processPart().add(c)
	p.Watch(c)
	return c
}

// signalSimulated sends a signal to a process of the loop's world.
func (c *child) signalSimulated(sig os.Signal) error {
	if c.done {
		return os.ErrProcessDone
	}
	return c.simulated.Signal(sig)
}
