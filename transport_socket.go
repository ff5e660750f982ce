package asyncio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A transport is the Transport over a socket, plain or with TLS in between. It
// is in the ready queue when there is something to tell its protocol or to
// read, and all callbacks are made from there.
type transport struct {
	sock     socket
	protocol Protocol
	tls      *tlsTransport // nil: plain
	waiter   *future       // told when the connection is made, or failed; or nil
	drainers *waitList     // tasks that wait for the queue to sink; or nil
	reason   error         // what ConnectionLost is given

	order      callOrder
	buffered   bool // the protocol is a BufferedProtocol
	scheduled  bool // run is in the ready queue
	readPaused bool // by PauseReading
	readEnded  bool // by the peer
	toldPaused bool // of PauseWriting and ResumeWriting, the first was the last
}

var (
	_ Transport = (*transport)(nil)
	_ served    = (*transport)(nil)
)

func newTransport(l *Loop, p Protocol) *transport {
	t := &transport{}
	t.sock.init(l, t)
	t.SetProtocol(p)
	return t
}

// attach gives the transport its descriptor. ConnectionMade follows.
func (t *transport) attach(conn driver.Conn) error {
	if err := t.sock.attach(conn); err != nil {
		return err
	}
	t.schedule()
	return nil
}

func (t *transport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.sock.loop.ready.Push(t)
	}
}

// readable implements socketOwner.
func (t *transport) readable() {
	if t.tls != nil || !t.readPaused && !t.readEnded {
		t.schedule()
	}
}

// flow implements socketOwner.
func (t *transport) flow() {
	if t.drainers != nil && !t.sock.paused {
		t.drainers.fire(nil)
	}
	if t.toldPaused != t.sock.paused {
		t.schedule()
	}
}

// broken implements socketOwner. What the peer has sent is received first.
func (t *transport) broken() {
	t.reason = t.sock.failure()
	t.sock.mayRead = true
	t.schedule()
}

// gone implements socketOwner.
func (t *transport) gone(reason, _ error) {
	if reason != nil {
		t.reason = reason
	}
	if t.tls != nil {
		t.tls.stop()
	}
	if t.drainers != nil {
		t.drainers.fire(t.sock.failure())
	}
	if t.sock.loop.closing { // there will be no further turn
		t.scheduled = true
		t.run()
	} else {
		t.schedule()
	}
}

// run makes the callbacks that are due, and reads.
func (t *transport) run() {
	t.scheduled = false
	defer t.guard()
	if t.tls != nil && t.tls.shaking && !t.tls.shake() {
		return
	}
	s := &t.sock
	if s.closed {
		t.lost()
		return
	}
	if t.order == callsNone && t.made() {
		t.schedule() // whoever waits for the connection runs before data comes
		return
	}
	if t.toldPaused != s.paused && s.failure() == nil {
		t.tellFlow()
	}
	if t.tls != nil {
		t.tls.read()
	} else {
		t.read()
	}
}

// guard ends the connection when a callback of its protocol has panicked.
func (t *transport) guard() {
	v := recover()
	if v == nil {
		return
	}
	err := t.sock.loop.callbackPanicked(v, "a connection, which is closed", t)
	t.sock.abort(err)
	t.settle(err)
}

// settle tells whoever waits for the connection, if somebody does.
func (t *transport) settle(err error) bool {
	f := t.waiter
	t.waiter = nil
	if f == nil || f.state != pending {
		return false
	}
	if err != nil {
		f.retrieved = true
		f.setError(err)
	} else {
		f.setResult()
	}
	return true
}

// made calls ConnectionMade, and reports whether somebody waits for that.
func (t *transport) made() (awaited bool) {
	t.check(t.order == callsNone, "ConnectionMade")
	t.order = callsMade
	t.protocol.ConnectionMade(t)
	return t.settle(nil)
}

// lost calls ConnectionLost.
func (t *transport) lost() {
	if t.order == callsLost {
		return
	}
	before := t.order
	t.order = callsLost
	t.sock.leave()
	t.waitFailed()
	if before == callsNone {
		return // it was never told that there is one
	}
	t.protocol.ConnectionLost(t.reason)
}

// waitFailed tells whoever waits for the connection that there is none.
func (t *transport) waitFailed() {
	err := t.reason
	if err == nil {
		err = net.ErrClosed
	}
	t.settle(err)
}

func (t *transport) tellFlow() {
	t.check(t.order == callsMade || t.order == callsEnded, "PauseWriting")
	t.toldPaused = t.sock.paused
	if t.toldPaused {
		t.protocol.PauseWriting()
	} else {
		t.protocol.ResumeWriting()
	}
}

// reads reports whether what comes is for the protocol.
func (t *transport) reads() bool {
	return !t.readPaused && !t.readEnded && !t.sock.closing
}

// read reads once, so that others have their turn.
func (t *transport) read() {
	s := &t.sock
	if !t.reads() {
		s.abortFailed()
		return
	}
	if !s.mayRead {
		return
	}
	p := t.buffer()
	if len(p) == 0 {
		s.abort(errEmptyBuffer)
		return
	}
	n, err := s.readNow(p)
	switch {
	case err == nil:
		t.received(p[:n])
		if s.mayRead && t.reads() {
			t.schedule()
		}
	case err == driver.ErrWouldBlock:
		s.abortFailed()
	case err == io.EOF && s.failure() == nil:
		t.eof()
	case err == io.EOF: // the system tells of a reset once, and a write has been told
		s.abortFailed()
	default:
		s.abort(err)
	}
}

var errEmptyBuffer = errors.New("asyncio: GetBuffer of a protocol gave an empty buffer")

// buffer returns the buffer for the next read: the protocol's or the loop's.
func (t *transport) buffer() []byte {
	if t.buffered {
		return t.protocol.(BufferedProtocol).GetBuffer(-1)
	}
	return t.sock.loop.readBuffer()
}

func (t *transport) received(p []byte) {
	t.check(t.order == callsMade, "DataReceived")
	if t.buffered {
		t.protocol.(BufferedProtocol).BufferUpdated(len(p))
	} else {
		t.protocol.DataReceived(p)
	}
}

// eof is called when the peer has ended its half.
func (t *transport) eof() {
	t.check(t.order == callsMade, "EOFReceived")
	t.order = callsEnded
	t.readEnded = true
	if !t.protocol.EOFReceived() || t.sock.readOnly {
		t.Close()
	}
}

func (t *transport) check(ok bool, what string) {
	if t.sock.loop.Debug() {
		t.order.check(ok, what)
	}
}

func (t *transport) Write(p []byte) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	return t.put(p)
}

func (t *transport) put(p []byte) (int, error) {
	if t.tls != nil {
		return t.tls.write(p)
	}
	return t.sock.write(p)
}

func (t *transport) WriteLines(bufs ...[]byte) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	if t.tls != nil {
		return t.tls.write(bufs...)
	}
	return t.sock.writev(bufs)
}

func (t *transport) CanWriteEOF() bool { return !t.sock.readOnly }

func (t *transport) WriteEOF() error {
	if err := onLoop(); err != nil {
		return err
	}
	if t.tls != nil {
		return t.tls.writeEOF()
	}
	return t.sock.writeEOF()
}

func (t *transport) Close() {
	switch {
	case onLoop() != nil:
	case t.tls != nil:
		t.tls.close()
	default:
		t.sock.close()
	}
}

func (t *transport) Abort() {
	if onLoop() == nil {
		t.sock.abort(nil)
	}
}

func (t *transport) IsClosing() bool {
	return t.sock.closing || t.tls != nil && t.tls.closing
}

func (t *transport) PauseReading() {
	if onLoop() == nil {
		t.readPaused = true
	}
}

func (t *transport) ResumeReading() {
	if onLoop() == nil && t.readPaused {
		t.readPaused = false
		t.schedule()
	}
}

func (t *transport) IsReading() bool {
	return !t.readPaused && !t.readEnded && !t.IsClosing()
}

func (t *transport) SetProtocol(p Protocol) {
	t.protocol = p
	_, t.buffered = p.(BufferedProtocol)
}

func (t *transport) Protocol() Protocol { return t.protocol }

func (t *transport) SetWriteBufferLimits(low, high int) { t.sock.setLimits(low, high) }

func (t *transport) WriteBufferLimits() (low, high int) { return t.sock.limits() }

func (t *transport) WriteBufferSize() int { return t.sock.queued() }

func (t *transport) LocalAddr() net.Addr { return t.sock.conn.LocalAddr() }

func (t *transport) RemoteAddr() net.Addr { return t.sock.conn.RemoteAddr() }

func (t *transport) ConnectionState() *tls.ConnectionState {
	if t.tls == nil {
		return nil
	}
	return t.tls.connectionState()
}

func (t *transport) SyscallConn() (syscall.RawConn, error) { return t.sock.conn.SyscallConn() }

func (t *transport) PeerCredentials() (*Credentials, error) { return t.sock.peerCredentials() }

func (t *transport) Loop() *Loop { return t.sock.loop }

// drain suspends task while more is queued than the high-water mark.
func (t *transport) drain(task *task, level context.Context) error {
	if err := t.sock.failure(); err != nil {
		return err
	}
	if !t.sock.paused {
		return nil
	}
	if t.drainers == nil {
		t.drainers = &waitList{}
	}
	return t.drainers.wait(task, level, t)
}

// wait suspends task until the connection is made. When that fails, or the
// wait is interrupted, the connection is aborted.
func (t *transport) wait(task *task, level context.Context) error {
	err := task.wait(t.waiter, level)
	if err != nil {
		t.waiter = nil
		t.sock.abort(nil)
	}
	return err
}

// closeClient implements served.
func (t *transport) closeClient() { t.Close() }

// cancelClient implements served.
func (t *transport) cancelClient(error) { t.sock.abort(nil) }

// transportOf returns the transport of this package that tr is.
func transportOf(l *Loop, tr Transport) (*transport, error) {
	t, ok := tr.(*transport)
	if !ok {
		return nil, fmt.Errorf("a transport of type %T: %w", tr, errors.ErrUnsupported)
	}
	if t.sock.loop != l {
		return nil, ErrWrongLoop
	}
	return t, nil
}

// describeWait implements waitDescriber, for who waits for the queue to sink.
func (t *transport) describeWait(w *WaitLook) any { return t.sock.describe(w, "write") }
