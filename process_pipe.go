package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// An inputPipe is a process's standard input, seen from here.
type inputPipe struct {
	writer StreamWriter
	sock   pullSocket
	watch  writePipe
}

func (l *Loop) newInputPipe(from pipeSource) (*inputPipe, error) {
	p := &inputPipe{}
	p.sock.init(l, &p.sock)
	p.writer.sock = &p.sock
	return p, p.watch.attach(&p.sock.socket, from)
}

// An outputPipe is a process's standard output or error, seen from here.
//
// It is read when a task reads, like a connection. But once nobody writes to it
// any more, or the process has ended, what is left is taken into the reader's
// buffer, and the descriptor is closed: a process of which one only wants to
// know how it ended leaves nothing behind. What then still comes, because a
// process of the process has the pipe, is taken up to twice the reader's limit.
type outputPipe struct {
	reader    StreamReader
	sock      pullSocket
	draining  bool
	scheduled bool
	ended     bool
	onEnd     func()
}

var _ streamSource = (*outputPipe)(nil)

func (l *Loop) newOutputPipe(from pipeSource, limit int, onEnd func()) (*outputPipe, error) {
	p := &outputPipe{onEnd: onEnd}
	p.sock.init(l, &p.sock)
	p.reader.init(p, limit)
	conn, err := p.sock.attachPipe(from)
	if err != nil {
		return p, err
	}
	return p, conn.Start(p)
}

// Ready passes an event on.
func (p *outputPipe) Ready(e driver.Event) {
	p.sock.Ready(e)
	if e&driver.Hangup != 0 {
		p.draining = true
	}
	p.schedule()
}

// drain begins to take what is left.
func (p *outputPipe) drain() {
	p.draining = true
	p.schedule()
}

func (p *outputPipe) schedule() {
	if p.draining && !p.scheduled && !p.ended {
		p.scheduled = true
		p.sock.loop.ready.Push(p)
	}
}

// eventLoop implements streamSource.
func (p *outputPipe) eventLoop() *Loop { return p.sock.loop }

// lost implements streamSource.
func (p *outputPipe) lost() error { return p.sock.lost() }

// read implements streamSource.
func (p *outputPipe) read(t *task, level context.Context, b []byte) (int, error) {
	n, err := p.sock.read(t, level, b)
	if err != nil && (readEnd(err) || p.sock.closed) {
		p.end()
	} else {
		p.schedule()
	}
	return n, err
}

// run takes what there is.
func (p *outputPipe) run() {
	p.scheduled = false
	r := &p.reader
	if p.sock.reading {
		return // a task reads, and comes back to this when it is done
	}
	for !p.ended && !p.sock.closed && p.sock.mayRead && r.buffered() < 2*int(r.limit) {
		n, err := p.sock.readNow(r.room(0))
		r.in.buf = r.in.buf[:len(r.in.buf)+n]
		switch {
		case err == nil || err == driver.ErrWouldBlock:
		case readEnd(err):
			r.eof = true
			p.end()
		default:
			r.SetError(err)
			p.end()
		}
	}
	r.release()
}

// end closes the pipe, of which all was read.
func (p *outputPipe) end() {
	if p.ended {
		return
	}
	p.ended = true
	p.sock.abort(nil)
	p.onEnd()
}
