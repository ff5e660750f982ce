package asyncio

import (
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// A writePipe watches the writing end of a pipe for its reader's end, of which
// a writer that has nothing to write, or waits for room, would not learn. It
// passes all events on to the socket.
type writePipe struct {
	sock      *socket
	scheduled bool
}

// attach gives the socket the pipe, and watches it.
func (w *writePipe) attach(s *socket, from pipeSource) error {
	w.sock = s
	s.oneWay = true
	conn, err := s.attachPipe(from)
	if err != nil {
		return err
	}
	return conn.Start(w)
}

// A pipeSource is the end of a pipe, or a terminal, that a driver is to take over.
type pipeSource func(d driver.Driver) (driver.Conn, error)

// fromFile is one that the system has.
func fromFile(f *os.File) pipeSource {
	return func(d driver.Driver) (driver.Conn, error) { return d.OpenFile(f) }
}

// attachPipe gives the socket a pipe or a terminal, which belongs to it from
// then on, also when that fails.
func (s *socket) attachPipe(from pipeSource) (driver.Conn, error) {
	conn, err := from(s.loop.driver)
	if err != nil {
		return nil, err
	}
	if err := s.attach(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Ready passes an event on, and looks into what may be the end of the reader.
func (w *writePipe) Ready(e driver.Event) {
	w.sock.Ready(e)
	if e&driver.Hangup != 0 && !w.scheduled {
		w.scheduled = true
		w.sock.loop.ready.Push(w)
	}
}

// run ends the pipe when nobody will read from it any more.
func (w *writePipe) run() {
	w.scheduled = false
	if w.sock.closed {
		return
	}
	if readerGone(w.sock.conn) {
		w.sock.abort(os.NewSyscallError("write", syscall.EPIPE))
	}
}

func readerGone(c driver.Conn) bool {
	if p, ok := c.(driver.PipeWriter); ok {
		return p.ReaderGone()
	}
	raw, err := c.SyscallConn()
	return err == nil && spawn.ReaderGone(raw)
}

// newReadPipe makes a transport that reads from a pipe. ConnectionMade follows,
// and data not before another turn.
func newReadPipe(l *Loop, p Protocol, from pipeSource) (*transport, error) {
	t := newTransport(l, p)
	t.waiter = &future{loop: l}
	if _, err := t.sock.attachPipe(from); err != nil {
		return nil, err
	}
	t.schedule()
	return t, nil
}

// newWritePipe makes a transport that writes to a pipe. ConnectionMade follows.
func newWritePipe(l *Loop, p Protocol, from pipeSource) (*transport, error) {
	t := newTransport(l, p)
	t.readEnded = true // there is nothing to be read
	if err := new(writePipe).attach(&t.sock, from); err != nil {
		if t.sock.conn != nil {
			t.sock.abort(nil)
		}
		return nil, err
	}
	t.schedule()
	return t, nil
}
