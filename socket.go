package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// Default limits of the write queue: above the high-water mark writers are
// held up, until it has sunk to the low-water mark. Python: the limits of a
// transport's write buffer.
const (
	defaultHighWater = 64 << 10
	defaultLowWater  = 16 << 10
)

// A socket is a connected stream descriptor of a loop, as streams use it: it
// reads when it is asked to, so that bytes go from the kernel to where they
// are wanted, and an idle connection owns no buffer; and it queues what is
// written and the kernel does not take.
//
// Writing ends in one of three ways: shut after all was written (writeEOF,
// close), at once (abort), or by the peer's doing (failed).
type socket struct {
	loop *Loop
	conn driver.Conn

	mayRead bool   // a read may give something; false: the driver will say when
	hungUp  bool   // the end is near: a short read is no sign that all was read
	reading bool   // a task is in read
	arrived future // what that task waits for, made new for each wait
	readBy  deadline

	queue     writeQueue
	high, low int
	paused    bool // the queue went above high, and not to low yet
	drained   waitList
	writeBy   deadline
	scheduled bool // run is in the ready queue

	eof     bool  // nothing more will be written: shut after the queue
	eofSent bool  //
	closing bool  // close after the queue
	closed  bool  // the descriptor is gone
	failed  error // why writing has failed
	gone    waitList

	onClosed   closeWatcher // told once when the descriptor is gone
	prev, next *socket
}

var (
	_ driver.Handler = (*socket)(nil)
	_ streamSource   = (*socket)(nil)
)

func (s *socket) init(l *Loop) {
	s.loop = l
	s.high, s.low = defaultHighWater, defaultLowWater
}

// attach gives the socket its descriptor, of which it is told from now on.
func (s *socket) attach(conn driver.Conn) error {
	if err := conn.Start(s); err != nil {
		return err
	}
	s.conn = conn
	s.mayRead = true
	s.loop.sockets.add(s)
	return nil
}

// Ready notes what has happened.
func (s *socket) Ready(e driver.Event) {
	if e&driver.Hangup != 0 {
		s.hungUp = true
	}
	if e&driver.Readable != 0 {
		s.mayRead = true
		s.wakeReader()
	}
	if e&driver.Writable != 0 && !s.scheduled && (s.queue.size > 0 || s.eof || s.closing) {
		s.scheduled = true
		s.loop.ready.Push(s)
	}
}

func (s *socket) wakeReader() {
	if s.reading && s.arrived.state == pending {
		s.arrived.setResult()
	}
}

// read reads what there is, at least one byte, and suspends t until there is.
func (s *socket) read(t *task, level context.Context, p []byte) (int, error) {
	if s.reading {
		return 0, ErrConcurrentRead
	}
	s.reading = true
	defer func() { s.reading = false }()
	for {
		if s.closed {
			return 0, net.ErrClosed
		}
		if s.readBy.expired {
			return 0, os.ErrDeadlineExceeded
		}
		if s.mayRead {
			n, err := s.conn.Read(p)
			if err == nil {
				s.mayRead = n == len(p) || s.hungUp
				return n, nil
			}
			if err != driver.ErrWouldBlock {
				return n, err
			}
			s.mayRead = false
		}
		s.arrived = future{loop: s.loop}
		if err := s.readBy.wait(t, &s.arrived, level); err != nil {
			return 0, err
		}
	}
}

// write writes p or queues it. It never suspends.
func (s *socket) write(p []byte) (int, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	n := 0
	if s.queue.size == 0 {
		var err error
		if n, err = s.conn.Write(p); err != nil && err != driver.ErrWouldBlock {
			s.fail(err)
			return n, err
		}
	}
	s.enqueue(p[n:])
	return len(p), nil
}

func (s *socket) enqueue(p []byte) {
	if len(p) == 0 {
		return
	}
	s.queue.push(p)
	if s.queue.size > s.high {
		s.paused = true
	}
}

// writev is write for several slices, with one system call if it can be.
func (s *socket) writev(bufs [][]byte) (int, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	total, n := 0, 0
	for _, b := range bufs {
		total += len(b)
	}
	if s.queue.size == 0 && total > 0 {
		var err error
		if n, err = s.conn.Writev(bufs); err != nil && err != driver.ErrWouldBlock {
			s.fail(err)
			return n, err
		}
	}
	for _, b := range bufs {
		skip := min(n, len(b))
		n -= skip
		s.enqueue(b[skip:])
	}
	return total, nil
}

// writable says why nothing can be written any more, if so.
func (s *socket) writable() error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.closing || s.closed:
		return net.ErrClosed
	case s.eof:
		return fmt.Errorf("asyncio: write after the end was written: %w", net.ErrClosed)
	}
	return nil
}

// run writes what is queued, after the driver has said that there is room.
func (s *socket) run() {
	s.scheduled = false
	if s.closed {
		return
	}
	switch err := s.queue.flush(s.conn); err {
	case nil:
	case driver.ErrWouldBlock:
	default:
		s.fail(err)
		return
	}
	if s.paused && s.queue.size <= s.low {
		s.paused = false
		s.drained.fire(nil)
	}
	s.settleEnd()
}

// settleEnd does what was to be done when all is written.
func (s *socket) settleEnd() {
	if s.queue.size > 0 || s.closed {
		return
	}
	if s.closing {
		s.finish(nil)
		return
	}
	if s.eof && !s.eofSent {
		s.eofSent = true
		if err := s.conn.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.fail(err)
		}
	}
}

// drain suspends t until the queue has sunk to the low-water mark, if it is
// above the high one.
func (s *socket) drain(t *task, level context.Context) error {
	if s.failed != nil {
		return s.failed
	}
	if !s.paused {
		return nil
	}
	if s.writeBy.expired {
		return os.ErrDeadlineExceeded
	}
	return s.writeBy.waitList(t, &s.drained, level)
}

// writeEOF ends this side's half after what was written.
func (s *socket) writeEOF() error {
	if s.eof {
		return nil
	}
	if err := s.writable(); err != nil {
		return err
	}
	s.eof = true
	s.settleEnd()
	return s.failed
}

// fail notes that writing does not work any more. What the peer has sent can
// still be read: often that says why.
func (s *socket) fail(err error) {
	if s.failed != nil || s.closed {
		return
	}
	s.failed = err
	s.queue.clear()
	s.paused = false
	s.drained.fire(err)
	if s.closing {
		s.finish(nil)
	}
}

// close closes the descriptor after what was written; a task that reads is
// told at once.
func (s *socket) close() {
	if s.closing || s.closed {
		return
	}
	s.closing = true
	s.interruptReader(net.ErrClosed)
	s.settleEnd()
}

// abort closes the descriptor at once, and drops what was not written.
func (s *socket) abort(err error) {
	if s.closed {
		return
	}
	s.closing = true
	if s.queue.size > 0 {
		s.conn.Reset()
		s.queue.clear()
	}
	s.finish(err)
}

func (s *socket) finish(err error) {
	s.closed = true
	s.loop.sockets.remove(s)
	s.readBy.stop()
	s.writeBy.stop()
	closeErr := s.conn.Close()
	if err == nil {
		err = net.ErrClosed
	}
	if s.failed == nil {
		s.failed = err
	}
	s.interruptReader(err)
	s.paused = false
	s.drained.fire(err)
	s.gone.fire(closeErr)
	if s.onClosed != nil {
		s.onClosed.socketClosed()
	}
}

func (s *socket) interruptReader(err error) {
	if s.reading && s.arrived.state == pending {
		s.arrived.retrieved = true
		s.arrived.setError(err)
	}
}

// waitClosed suspends t until the descriptor is gone.
func (s *socket) waitClosed(t *task, level context.Context) error {
	if s.closed {
		return nil
	}
	return s.gone.wait(t, level)
}

// A closeWatcher is told that a socket's descriptor is gone.
type closeWatcher interface{ socketClosed() }

// socketList is all open sockets of a loop, so that closing the loop closes them.
type socketList struct{ head *socket }

func (l *socketList) add(s *socket) {
	s.next = l.head
	if l.head != nil {
		l.head.prev = s
	}
	l.head = s
}

func (l *socketList) remove(s *socket) {
	if s.prev == nil {
		l.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// A deadline ends waits at a time, as that of a net.Conn does: it stays until
// it is set anew. It follows the real clock, as all of net does.
type deadline struct {
	timer   *TimerHandle
	expired bool
	task    *task // that waits, and is to be interrupted
	number  uint64
}

// set makes the deadline t; the zero time is never.
func (d *deadline) set(l *Loop, t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expire()
		return
	}
	d.timer = l.CallLater(left, d.expire)
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Cancel()
		d.timer = nil
	}
}

func (d *deadline) expire() {
	d.expired = true
	if d.task != nil {
		d.task.interrupt(d.number, os.ErrDeadlineExceeded)
	}
}

// wait is t.wait(f, level) that also ends with the deadline.
func (d *deadline) wait(t *task, f *future, level context.Context) error {
	d.task, d.number = t, t.waits+1
	err := t.wait(f, level)
	d.task = nil
	return err
}

func (d *deadline) waitList(t *task, w *waitList, level context.Context) error {
	d.task, d.number = t, t.waits+1
	err := w.wait(t, level)
	d.task = nil
	return err
}

// onLoop says whether the calling goroutine is a loop's, as the methods must be
// that are no business of any other and do not wait.
func onLoop() error {
	if !coro.OnMarkedGoroutine() {
		return ErrWrongGoroutine
	}
	return nil
}

// readEnd says whether err is the end of what the peer sends.
func readEnd(err error) bool { return errors.Is(err, io.EOF) }
