package asyncio

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// atOnce is how many bytes are read of a descriptor that always has more, or
// written to one that takes all, before others have their turn.
const atOnce = 256 << 10

// A pullSocket is a socket whose owner is a task that reads when it wants: so
// bytes go from the kernel to where they are wanted, and what nobody asks for
// stays in the kernel. Streams stand on it.
type pullSocket struct {
	socket
	moved   int32  // bytes read and written since it has let others run, up to atOnce
	reading bool   // a task is in read
	arrived future // what that task waits for, made new for each wait
	rare    *pullRare
}

// pullRare is what few sockets have, apart because there may be very many.
type pullRare struct {
	tls     *tlsLayer // between the socket and its stream
	view    *netConn  // the net.Conn of the stream, made when first asked for
	readBy  deadline
	writeBy deadline
	drained waitList // who waits for the queue to sink
	ended   waitList // who waits for the connection to end
	hangup  func()   // is told once that the peer has ended its half
}

func (s *pullSocket) withRare() *pullRare {
	if s.rare == nil {
		s.rare = new(pullRare)
	}
	return s.rare
}

var (
	_ socketOwner  = (*pullSocket)(nil)
	_ streamSource = (*pullSocket)(nil)
	_ deadlined    = (*pullSocket)(nil)
)

// eventLoop implements streamSource and deadlined.
func (s *pullSocket) eventLoop() *Loop { return s.loop }

// readable implements socketOwner.
func (s *pullSocket) readable() {
	if s.hungUp && s.rare != nil && s.rare.hangup != nil {
		told := s.rare.hangup
		s.rare.hangup = nil
		told()
	}
	if s.reading && s.arrived.state == pending {
		s.arrived.setResult()
	}
}

// flow implements socketOwner.
func (s *pullSocket) flow() {
	if !s.paused {
		s.fireDrained(nil)
	}
}

// broken implements socketOwner.
func (s *pullSocket) broken() {
	s.fireDrained(s.failure())
	if s.rare != nil {
		s.rare.ended.fire(s.failure())
	}
}

func (s *pullSocket) fireDrained(err error) {
	if s.rare != nil {
		s.rare.drained.fire(err)
	}
}

// gone implements socketOwner.
func (s *pullSocket) gone(reason, closeErr error) {
	if reason != nil {
		closeErr = reason
	} else {
		reason = net.ErrClosed
	}
	s.interruptReader(reason)
	if r := s.rare; r != nil {
		r.readBy.stop()
		r.writeBy.stop()
		r.drained.fire(reason)
		r.ended.fire(closeErr)
	}
}

// read reads what there is, at least one byte, and suspends t until there is. With
// a nil p it only waits, until an attempt may succeed.
//
// Very many tasks stand in here, each with its stack: the frames from a
// coroutine's first to this one's wait are kept small enough for two kilobytes.
func (s *pullSocket) read(t *task, level context.Context, p []byte) (int, error) {
	if s.reading {
		return 0, ErrConcurrentRead
	}
	s.reading = true
	for {
		err := s.turn(t)
		if err == nil && s.rare != nil && s.rare.readBy.expired && !s.closed {
			err = os.ErrDeadlineExceeded
		}
		if err == nil && s.closing && !s.closed {
			err = net.ErrClosed // what was written is still sent; nothing is read any more
		}
		if err == nil {
			var n int
			if n, err = s.attempt(p); err != driver.ErrWouldBlock {
				return n, err
			}
			s.moved = 0
			s.arrived = future{loop: s.loop, canceller: s}
			err = t.wait(&s.arrived, level)
		}
		if err != nil {
			s.reading = false
			return 0, err
		}
	}
}

// attempt is read that returns driver.ErrWouldBlock where that waits.
func (s *pullSocket) attempt(p []byte) (n int, err error) {
	if p == nil && (s.mayRead || s.closed) {
		s.reading = false
		return 0, nil
	}
	if n, err = s.readNow(p); err != driver.ErrWouldBlock {
		s.reading = false
		s.count(n)
		if err != nil {
			s.readFailed(err)
		}
	}
	return n, err
}

// cancelWith implements canceller, for arrived.
func (s *pullSocket) cancelWith(cause error) bool { return s.arrived.cancelPlain(cause) }

// describeWait implements waitDescriber.
func (s *pullSocket) describeWait(w *WaitLook) any {
	switch {
	case s.reading && s.arrived.state == pending && s.arrived.callback != nil:
		return s.describe(w, "read")
	case s.closing:
		return s.describe(w, "the end of")
	}
	return s.describe(w, "write")
}

// readFailed closes the descriptor, unless err is the end of what the peer
// sends: after any other error nothing comes or goes any more, and the system
// tells of a reset only once.
func (s *pullSocket) readFailed(err error) {
	if !readEnd(err) && !s.closed {
		s.abort(err)
	}
}

// lost implements streamSource.
func (s *pullSocket) lost() error {
	if s.closed && s.out != nil {
		return s.out.failed
	}
	return nil
}

// count counts n bytes that were read or written.
func (s *pullSocket) count(n int) { s.moved = int32(min(int(s.moved)+n, atOnce)) }

// turn lets others have theirs when much was read or written without a wait.
func (s *pullSocket) turn(t *task) error {
	if s.moved < atOnce {
		return nil
	}
	s.moved = 0
	s.arrived = future{loop: s.loop} // nobody waits for it, but it may be settled
	return t.yield()
}

// drain suspends t until the queue has sunk to the low-water mark, if it is
// above the high one.
func (s *pullSocket) drain(t *task, level context.Context) error {
	if err := s.failure(); err != nil {
		return err
	}
	if !s.paused {
		return nil
	}
	r := s.withRare()
	if r.writeBy.expired {
		return os.ErrDeadlineExceeded
	}
	return r.drained.wait(t, level, s)
}

// isClosed implements deadlined.
func (s *pullSocket) isClosed() bool { return s.closed }

// setReadDeadline bounds reads, the one that waits now too.
func (s *pullSocket) setReadDeadline(t time.Time) {
	s.withRare().readBy.set(s.loop, t, func() { s.interruptReader(os.ErrDeadlineExceeded) })
}

// setWriteDeadline bounds how long writers are held up.
func (s *pullSocket) setWriteDeadline(t time.Time) {
	s.withRare().writeBy.set(s.loop, t, func() { s.fireDrained(os.ErrDeadlineExceeded) })
}

// close closes the descriptor after what was written; a task that reads is
// told at once.
func (s *pullSocket) close() {
	if !s.closing && !s.closed {
		s.interruptReader(net.ErrClosed)
		s.socket.close()
	}
}

func (s *pullSocket) interruptReader(err error) {
	if s.reading && s.arrived.state == pending {
		s.arrived.retrieved = true
		s.arrived.setError(err)
	}
}

// waitClosed suspends t until the descriptor is gone or the connection has
// failed. It returns why that was, if it was not asked for.
func (s *pullSocket) waitClosed(t *task, level context.Context) error {
	if !s.closed && !s.writeFailed() {
		return s.withRare().ended.wait(t, level, s)
	}
	if s.out != nil {
		return s.out.failed
	}
	return nil
}
