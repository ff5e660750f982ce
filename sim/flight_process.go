package sim

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A flightProcess is a process that the loop of a [flight] has started.
type flightProcess struct {
	d     *flight
	id    uint64
	inner *spawn.Process // nil: it is played back
	pid   int
	path  string
	told  told
	ended *os.ProcessState // of the real one, or nil
}

var (
	_ driver.Starter = (*flight)(nil)
	_ driver.Process = (*flightProcess)(nil)
)

// StartProcess implements [driver.Starter]. It is a job of the loop's, which is called
// again in a replay: the process gets its number in the first call on the loop's goroutine.
func (d *flight) StartProcess(s *driver.ProcessSpec) (driver.Process, error) {
	p := &flightProcess{d: d}
	if d.inner == nil {
		return p, nil
	}
	starter, err := spawn.New(s.System.(*spawn.Command))
	if err != nil {
		return nil, err
	}
	if starter.DiesWithThread() {
		return nil, d.cannot("a process that dies with a thread")
	}
	p.inner, err = starter.Start()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	over := d.over
	d.unknown[p] = struct{}{}
	d.mu.Unlock()
	if over {
		d.discardUnknown()
		return nil, net.ErrClosed
	}
	return p, nil
}

// discardUnknown ends the processes of which the loop will never know.
func (d *flight) discardUnknown() {
	d.mu.Lock()
	d.over = true
	all := d.unknown
	d.unknown = make(map[*flightProcess]struct{})
	d.mu.Unlock()
	for p := range all {
		p.inner.Discard()
	}
}

// known takes note of the process, once.
func (p *flightProcess) known() {
	if p.id != 0 {
		return
	}
	d := p.d
	d.mu.Lock()
	delete(d.unknown, p)
	d.mu.Unlock()
	d.ids++
	p.id = d.ids
	e := d.do(opProcess, p.id, 0, func(e *entry) { e.n, e.data = int64(p.inner.Pid), []byte(p.inner.Path) })
	p.pid, p.path = int(e.n), string(e.data)
}

// Pid implements [driver.Process].
func (p *flightProcess) Pid() int {
	p.known()
	return p.pid
}

// Path implements [driver.Process].
func (p *flightProcess) Path() string {
	p.known()
	return p.path
}

// Pipe implements [driver.Process].
func (p *flightProcess) Pipe(i int) driver.Conn {
	p.known()
	c := new(flightConn)
	e := c.open(p.d, opPipe, uint64(i), nil, func(driver.Handler) (err error) {
		f := p.inner.Pipes[i]
		if f == nil {
			return errNoPipe
		}
		p.inner.Pipes[i] = nil
		c.inner, err = p.d.inner.OpenFile(f)
		return err
	})
	if e.err == errNoPipe {
		return nil
	}
	c.failed = e.err
	return c
}

var errNoPipe = fmt.Errorf("sim: there is no pipe: %w", os.ErrNotExist)

// Watch implements [driver.Process].
func (p *flightProcess) Watch(h driver.Handler) {
	p.known()
	d := p.d
	p.told.begin(d, p.id, h)
	d.do(opWatch, p.id, 0, func(*entry) {
		go func() {
			state, err := p.inner.Wait()
			d.arrive(func() {
				if err == nil {
					p.ended = state
				}
				p.told.Ready(driver.Readable)
				p.told.end()
			})
		}()
	})
}

// unknownCode is the exit code of a process that somebody else has waited for.
const unknownCode = 255

// ExitCode implements [driver.Process].
func (p *flightProcess) ExitCode() int {
	return int(p.d.do(opExitCode, p.id, 0, func(e *entry) {
		e.n = unknownCode
		if p.ended != nil {
			e.n = int64(spawn.ExitCode(p.ended))
		}
	}).n)
}

// Signal implements [driver.Process].
func (p *flightProcess) Signal(sig os.Signal) error {
	p.known()
	return p.d.do(opSignal, p.id, signalNumber(sig), func(e *entry) {
		if sig == syscall.SIGTERM {
			e.err = spawn.Terminate(p.inner.Process)
		} else {
			e.err = p.inner.Process.Signal(sig)
		}
	}).err
}
