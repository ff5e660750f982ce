package asyncio

import (
	"context"
	"net"
	"os"

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
	reading bool   // a task is in read
	taken   int    // bytes read since a read has let others run
	given   int    // bytes written since a write has
	arrived future // what that task waits for, made new for each wait
	readBy  deadline
	writeBy deadline

	drained  waitList
	ended    waitList     // who waits for the descriptor to be closed
	onClosed closeWatcher // told once when it is
}

// A closeWatcher is told that a socket's descriptor is gone.
type closeWatcher interface{ socketClosed() }

var (
	_ socketOwner  = (*pullSocket)(nil)
	_ streamSource = (*pullSocket)(nil)
)

func (s *pullSocket) init(l *Loop) { s.socket.init(l, s) }

// readable implements socketOwner.
func (s *pullSocket) readable() {
	if s.reading && s.arrived.state == pending {
		s.arrived.setResult()
	}
}

// flow implements socketOwner.
func (s *pullSocket) flow() {
	if !s.paused {
		s.drained.fire(nil)
	}
}

// broken implements socketOwner.
func (s *pullSocket) broken() { s.drained.fire(s.failed) }

// gone implements socketOwner.
func (s *pullSocket) gone(reason, closeErr error) {
	s.readBy.stop()
	s.writeBy.stop()
	if reason == nil {
		reason = net.ErrClosed
	}
	s.interruptReader(reason)
	s.drained.fire(reason)
	s.ended.fire(closeErr)
	if s.onClosed != nil {
		s.onClosed.socketClosed()
	}
}

// read reads what there is, at least one byte, and suspends t until there is.
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
		if err == nil && s.readBy.expired && !s.closed {
			err = os.ErrDeadlineExceeded
		}
		if err == nil {
			var n int
			if n, err = s.readNow(p); err != driver.ErrWouldBlock {
				s.taken += n
				s.reading = false
				return n, err
			}
			s.taken = 0
			s.arrived = future{loop: s.loop}
			s.readBy.arm(t)
			err = t.wait(&s.arrived, level)
			s.readBy.disarm()
		}
		if err != nil {
			s.reading = false
			return 0, err
		}
	}
}

// turn lets others have theirs when a read has found data too often.
func (s *pullSocket) turn(t *task) error {
	if s.taken < atOnce {
		return nil
	}
	s.taken = 0
	s.arrived = future{loop: s.loop} // nobody waits for it, but it may be settled
	return t.yield()
}

// drain suspends t until the queue has sunk to the low-water mark, if it is
// above the high one.
func (s *pullSocket) drain(t *task, level context.Context) error {
	if s.failed != nil {
		return s.failed
	}
	if !s.paused {
		return nil
	}
	if s.writeBy.expired {
		return os.ErrDeadlineExceeded
	}
	s.writeBy.arm(t)
	defer s.writeBy.disarm()
	return s.drained.wait(t, level)
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

// waitClosed suspends t until the descriptor is gone.
func (s *pullSocket) waitClosed(t *task, level context.Context) error {
	if s.closed {
		return nil
	}
	return s.ended.wait(t, level)
}
