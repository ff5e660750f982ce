package asyncio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/writequeue"
)

// Default limits of the write queue: above the high-water mark writers are
// held up, until it has sunk to the low-water mark. Python: the limits of a
// transport's write buffer.
const (
	defaultHighWater = 64 << 10
	defaultLowWater  = 16 << 10
)

// A socket is a connected stream descriptor of a loop: what streams, which read
// when a task asks, and transports, which are told when there is something,
// have in common. It queues what is written and the kernel does not take, and
// knows how a connection ends. It owns no buffer to read into.
//
// Writing ends in one of three ways: shut after all was written (writeEOF,
// close), at once (abort), or by the peer's doing (failed).
type socket struct {
	loop  *Loop
	conn  driver.Conn
	owner socketOwner
	out   *outgoing // nil: all that was written was taken at once

	among      *socketList
	prev, next *socket

	mayRead bool // a read may give something; false: the driver will say when
	hungUp  bool // the peer has ended its half, or the connection has failed: a short read does not mean that all was read

	paused    bool // the queue went above high, and not to low yet
	scheduled bool // run is in the ready queue
	eof       bool // nothing more will be written: shut after the queue
	eofSent   bool
	oneWay    bool // a pipe: its end is to be closed
	readOnly  bool // the reading end of a pipe
	closing   bool // close after the queue
	polite    bool // close without a reset because of what was not read
	closed    bool // the descriptor is gone
}

// An outgoing is what a socket has to remember of its writing. It is made when
// there is something: most sockets never need one, and there may be very many.
type outgoing struct {
	queue     writequeue.Queue
	sending   *fileSend // a file that is sent after the queue
	high, low int
	failed    error // why writing has failed
}

// output returns the socket's outgoing, which it makes if there is none.
func (s *socket) output() *outgoing {
	if s.out == nil {
		s.out = &outgoing{high: defaultHighWater, low: defaultLowWater}
	}
	return s.out
}

// A socketOwner is told what happens to a socket. It must only take note: it
// may be inside a call of the owner's own.
type socketOwner interface {
	// readable says that there may be something to read.
	readable()
	// flow says that paused has changed.
	flow()
	// broken says that writing has failed.
	broken()
	// gone says that the descriptor is closed: for a reason, or as it was
	// asked for. closeErr is what closing it gave.
	gone(reason, closeErr error)
}

var _ driver.Handler = (*socket)(nil)

func (s *socket) init(l *Loop, owner socketOwner) {
	s.loop, s.owner = l, owner
}

// attach gives the socket its descriptor, of which it is told from now on.
func (s *socket) attach(conn driver.Conn) error {
	if err := conn.Start(s); err != nil {
		return err
	}
	s.conn = conn
	s.mayRead = true
	s.join(&connectionsOf(s.loop).unserved)
	return nil
}

// Ready notes what has happened.
func (s *socket) Ready(e driver.Event) {
	if e&driver.Hangup != 0 {
		s.hungUp = true
	}
	if e&driver.Readable != 0 {
		s.mayRead = true
		s.owner.readable()
	}
	if e&driver.Writable != 0 && (s.unsent() || s.eof || s.closing) {
		s.schedule()
	}
}

func (s *socket) schedule() {
	if !s.scheduled {
		s.scheduled = true
		s.loop.ready.Push(s)
	}
}

// readNow reads what there is, at least one byte, or returns
// driver.ErrWouldBlock; the owner is told when that is over.
func (s *socket) readNow(p []byte) (int, error) {
	if s.closed {
		return 0, s.failure()
	}
	if !s.mayRead {
		return 0, driver.ErrWouldBlock
	}
	n, err := s.conn.Read(p)
	switch err {
	case nil:
		s.mayRead = n == len(p) || s.hungUp
	case driver.ErrWouldBlock:
		s.mayRead = false
	case io.EOF:
		// The system tells of a reset once. When a write was told, this is
		// no end: something may be missing.
		if s.out != nil && errors.Is(s.out.failed, syscall.ECONNRESET) {
			err = s.out.failed
		}
	}
	return n, err
}

// unsent reports whether there is something that the kernel has not taken.
func (s *socket) unsent() bool {
	return s.out != nil && (s.out.queue.Size() > 0 || s.out.sending != nil)
}

// sendsFile reports whether a file is being sent.
func (s *socket) sendsFile() bool { return s.out != nil && s.out.sending != nil }

// direct reports whether what is written now may go to the kernel at once.
func (s *socket) direct() bool { return !s.unsent() }

// write writes p or queues it. It never suspends.
func (s *socket) write(p []byte) (int, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	n := 0
	if s.direct() {
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
	o := s.output()
	if o.sending != nil {
		o.sending.behind.Push(p)
	} else {
		o.queue.Push(p)
	}
	if !s.paused && s.queued() > o.high {
		s.paused = true
		s.owner.flow()
	}
}

// queued is the number of bytes that were written and that the kernel has not
// taken.
func (s *socket) queued() int {
	switch o := s.out; {
	case o == nil:
		return 0
	case o.sending != nil:
		return o.queue.Size() + o.sending.behind.Size()
	default:
		return o.queue.Size()
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
	if total > 0 && s.direct() {
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
	case s.failure() != nil:
		return s.failure()
	case s.closing:
		return net.ErrClosed
	case s.readOnly:
		return fmt.Errorf("asyncio: write to the reading end of a pipe: %w", errors.ErrUnsupported)
	case s.eof:
		return fmt.Errorf("asyncio: write after the end was written: %w", net.ErrClosed)
	}
	return nil
}

// failure returns why writing has failed, if it has.
func (s *socket) failure() error {
	switch {
	case s.writeFailed():
		return s.out.failed
	case s.closed:
		return net.ErrClosed
	}
	return nil
}

// writeFailed reports whether writing has failed, or the connection was closed
// for a reason.
func (s *socket) writeFailed() bool { return s.out != nil && s.out.failed != nil }

// run writes what is queued, after the driver has said that there is room.
func (s *socket) run() {
	s.scheduled = false
	if !s.closed {
		s.flush()
	}
}

// flush writes what the kernel takes of what is queued.
func (s *socket) flush() {
	if o := s.out; o != nil {
		err := o.queue.Flush(s.conn)
		if err == nil && o.sending != nil {
			err = s.sendFile()
		}
		if err != nil && err != driver.ErrWouldBlock {
			s.fail(err)
			return
		}
		if s.paused && s.queued() <= o.low {
			s.paused = false
			s.owner.flow()
		}
	}
	s.settleEnd()
}

// settleEnd does what was to be done when all is written.
func (s *socket) settleEnd() {
	if s.unsent() || s.closed {
		return
	}
	if s.closing || s.eof && s.oneWay {
		if s.polite {
			s.conn.Discard(s.loop.readBuffer())
		}
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

// waterMarks returns the limits of a write queue that low and high stand for. A
// negative high is four times low, or the default; a negative low a quarter of
// high.
func waterMarks(low, high int) (int, int) {
	if high < 0 {
		high = defaultHighWater
		if low >= 0 {
			high = 4 * low
		}
	}
	if low < 0 || low > high {
		low = high / 4
	}
	return low, high
}

// setLimits sets the water marks.
func (s *socket) setLimits(low, high int) {
	o := s.output()
	o.low, o.high = waterMarks(low, high)
	if paused := s.queued() > o.high; paused != s.paused {
		s.paused = paused
		s.owner.flow()
	}
}

// limits returns the water marks.
func (s *socket) limits() (low, high int) {
	if s.out == nil {
		return defaultLowWater, defaultHighWater
	}
	return s.out.low, s.out.high
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
	if s.closed {
		return nil // a pipe
	}
	return s.failure()
}

// fail notes that writing does not work any more. What the peer has sent can
// still be read: often that says why.
func (s *socket) fail(err error) {
	if s.failure() != nil {
		return
	}
	s.output().failed = err
	s.drop(err)
	s.paused = false
	s.owner.broken()
	if s.closing {
		s.finish(nil)
	}
}

// drop forgets what was not written.
func (s *socket) drop(why error) {
	if s.out == nil {
		return
	}
	if s.out.sending != nil {
		s.endFile(why)
	}
	s.out.queue.Clear()
}

// close closes the descriptor after what was written.
func (s *socket) close() {
	if s.closing || s.closed {
		return
	}
	s.closing = true
	s.settleEnd()
}

// abort closes the descriptor at once, and drops what was not written. A
// reason is nil when that was asked for.
func (s *socket) abort(reason error) {
	if s.closed {
		return
	}
	if s.unsent() {
		s.conn.Reset()
	}
	s.finish(reason)
}

// abortFailed closes the descriptor when writing has failed.
func (s *socket) abortFailed() {
	if err := s.failure(); err != nil {
		s.abort(err)
	}
}

func (s *socket) finish(reason error) {
	if reason != nil && s.failure() == nil {
		s.output().failed = reason
	}
	s.closed, s.closing = true, true
	if s.among.owner == nil { // else when nothing serves it any more
		s.leave()
	}
	closeErr := s.conn.Close()
	s.drop(s.failure())
	s.paused = false
	s.owner.gone(reason, closeErr)
}

// onLoop reports whether the calling goroutine is a loop's, as the methods must be
// that are no business of any other and do not wait.
func onLoop() error {
	if !coro.OnMarkedGoroutine() {
		return ErrWrongGoroutine
	}
	return nil
}

// readEnd reports whether err is the end of what the peer sends.
func readEnd(err error) bool { return errors.Is(err, io.EOF) }
