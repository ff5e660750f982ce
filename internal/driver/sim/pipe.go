package sim

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// pipeSize is how many bytes a pipe takes that nobody reads.
const pipeSize = 64 << 10

// A pipe is within a machine, from one program to another.
type pipe struct {
	net            *Network
	in             []byte
	reader, writer *pipeEnd
}

// A pipeEnd is an end of a pipe, as its program has it.
type pipeEnd struct {
	handle
	pipe *pipe
	full bool // of the writer: a write has had no room
}

var (
	_ driver.Conn       = (*pipeEnd)(nil)
	_ driver.PipeWriter = (*pipeEnd)(nil)
)

// NewPipe makes a pipe from one program to another, and returns its ends. Begin to
// report with Start.
func NewPipe(from, to *Driver) (reader, writer driver.Conn) {
	p := &pipe{net: from.net}
	p.reader, p.writer = &pipeEnd{pipe: p}, &pipeEnd{pipe: p}
	to.add(&p.reader.handle, p.reader, nil)
	from.add(&p.writer.handle, p.writer, nil)
	return p.reader, p.writer
}

// Start implements [driver.Conn].
func (e *pipeEnd) Start(h driver.Handler) error {
	if e.closed {
		return net.ErrClosed
	}
	e.handler = h
	if e.events != 0 {
		e.tell(e.events)
	}
	return nil
}

// ConnectError implements [driver.Conn].
func (e *pipeEnd) ConnectError() error { return nil }

// Read implements [driver.Conn].
func (e *pipeEnd) Read(b []byte) (int, error) {
	p := e.pipe
	switch {
	case e.closed:
		return 0, net.ErrClosed
	case e != p.reader:
		return 0, os.NewSyscallError("read", syscall.EBADF)
	case len(b) == 0:
		return 0, nil
	case len(p.in) > 0:
		n := copy(b[:p.net.less(min(len(b), len(p.in)))], p.in)
		p.in = p.in[n:]
		if p.writer.full {
			p.writer.full = false
			p.writer.tell(driver.Writable)
		}
		if n < len(b) && (len(p.in) > 0 || p.writer.closed) {
			e.tell(driver.Readable)
		}
		return n, nil
	case p.writer.closed:
		return 0, io.EOF
	}
	return 0, driver.ErrWouldBlock
}

// Write implements [driver.Conn].
func (e *pipeEnd) Write(b []byte) (int, error) {
	p := e.pipe
	switch {
	case e.closed:
		return 0, net.ErrClosed
	case e != p.writer:
		return 0, os.NewSyscallError("write", syscall.EBADF)
	case p.reader.closed:
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	case len(b) == 0:
		return 0, nil
	}
	n := min(len(b), pipeSize-len(p.in))
	if n == 0 {
		e.full = true
		return 0, driver.ErrWouldBlock
	}
	if less := p.net.less(n); less < n {
		n = less
		e.tell(driver.Writable)
	} else if n < len(b) {
		e.full = true
	}
	p.in = append(p.in, b[:n]...)
	p.reader.tell(driver.Readable)
	return n, nil
}

// Writev implements [driver.Conn].
func (e *pipeEnd) Writev(all [][]byte) (done int, err error) {
	for _, b := range all {
		n, err := e.Write(b)
		done += n
		if err == driver.ErrWouldBlock && done > 0 {
			err = nil
		}
		if err != nil || n < len(b) {
			return done, err
		}
	}
	return done, nil
}

// CloseWrite implements [driver.Conn].
func (e *pipeEnd) CloseWrite() error { return e.Close() }

// Close implements [driver.Conn].
func (e *pipeEnd) Close() error {
	if err := e.shut(); err != nil {
		return err
	}
	if p := e.pipe; e == p.writer {
		p.reader.tell(driver.Readable | driver.Hangup)
	} else {
		p.in = nil
		p.writer.tell(driver.Writable | driver.Hangup)
	}
	return nil
}

// Reset implements [driver.Conn]. A pipe has none.
func (e *pipeEnd) Reset() {}

// Discard implements [driver.Conn].
func (e *pipeEnd) Discard([]byte) {
	if e == e.pipe.reader {
		e.pipe.in = nil
	}
}

// ReaderGone implements [driver.PipeWriter].
func (e *pipeEnd) ReaderGone() bool { return e.pipe.reader.closed }

// LocalAddr implements [driver.Conn].
func (e *pipeEnd) LocalAddr() net.Addr { return nil }

// RemoteAddr implements [driver.Conn].
func (e *pipeEnd) RemoteAddr() net.Addr { return nil }
