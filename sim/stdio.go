package sim

import (
	"io"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

// An Input is the standard input of a [Process]. It is for the task of its function.
type Input struct {
	pipe *stdio // nil: there is nothing to read
}

var _ io.Reader = (*Input)(nil)

// Read implements [io.Reader]. It suspends the task until there is something.
func (i *Input) Read(b []byte) (int, error) {
	if i.pipe == nil {
		return 0, io.EOF
	}
	return i.pipe.wait(func() (int, error) { return i.pipe.conn.Read(b) })
}

// Close closes it: who writes gets an error.
func (i *Input) Close() error { return i.pipe.close() }

// An Output is a standard output of a [Process]. It is for the task of its function.
type Output struct {
	pipe *stdio
	log  *Process // not nil: it goes into the world's trace
}

var _ io.Writer = (*Output)(nil)

// Write implements [io.Writer]. It suspends the task until all is in the pipe. When the
// process is killed meanwhile, a part of it is. Where nobody reads any more it returns
// syscall.EPIPE.
func (o *Output) Write(b []byte) (done int, err error) {
	if o.pipe == nil {
		if o.log != nil {
			o.log.h.event(netsim.Note, uint64(len(b)), 0, func() string { return string(b) })
		}
		return len(b), nil
	}
	for done < len(b) {
		if done > 0 { // the pipe tells when it takes more
			if err := o.pipe.again(); err != nil {
				return done, err
			}
		}
		n, err := o.pipe.wait(func() (int, error) { return o.pipe.conn.Write(b[done:]) })
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Close closes it: who reads finds the end.
func (o *Output) Close() error { return o.pipe.close() }

// stdio is an end of a pipe of a process.
type stdio struct {
	p     *Process
	conn  driver.Conn
	ready asyncio.Event
}

// Ready implements [driver.Handler].
func (s *stdio) Ready(driver.Event) { s.ready.Set() }

// wait does something until it need not wait.
func (s *stdio) wait(do func() (int, error)) (int, error) {
	for {
		n, err := do()
		if err != driver.ErrWouldBlock {
			return n, err
		}
		if err := s.again(); err != nil {
			return 0, err
		}
	}
}

// again waits until there may be more to be done.
func (s *stdio) again() error {
	s.ready.Clear()
	return s.ready.Wait(s.p.ctx)
}

func (s *stdio) close() error {
	if s == nil {
		return nil
	}
	return s.conn.Close()
}
