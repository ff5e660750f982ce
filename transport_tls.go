package asyncio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A tlsTransport is TLS between a transport and its socket. crypto/tls does the
// work. Its handshake waits for the peer in the middle, so it runs in a
// coroutine. After that no call into crypto/tls ever waits: a read that finds
// no whole record is given an error that says it is temporary, and is made
// again when more has come. So an idle connection holds no coroutine, no call
// holds a lock of crypto/tls while others run, and what is decrypted goes into
// the loop's buffer.
type tlsTransport struct {
	t     *transport
	conn  *tls.Conn
	wire  *transportWire
	co    *coro.Coro // the handshake's
	err   error      // what the handshake gave
	timer *TimerHandle

	shutdownTimeout time.Duration

	shaking bool // the handshake goes on, or will begin
	closing bool // close_notify is sent; that of the peer is waited for
	ended   bool // the descriptor is at its end
}

// secure puts TLS between the transport and its socket. The handshake begins
// when the transport runs next.
func (t *transport) secure(cfg *tls.Config, server bool, o *streamOptions) {
	l := &tlsTransport{t: t, shaking: true, shutdownTimeout: o.shutdownTimeout}
	l.wire = &transportWire{tlsWire{sock: &t.sock}, l}
	l.conn = overWire(l.wire, cfg, server)
	l.limit(o.handshakeTimeout, "TLS handshake")
	t.tls = l
}

// limit aborts the connection when d has gone by.
func (l *tlsTransport) limit(d time.Duration, what string) {
	if d == NoTimeout {
		return
	}
	l.timer = l.t.sock.loop.CallLater(d, func() {
		l.timer = nil
		l.t.sock.abort(fmt.Errorf("%s: %w", what, &TimeoutError{}))
	})
}

// stop takes the time limit away.
func (l *tlsTransport) stop() {
	if l.timer != nil {
		l.timer.Cancel()
		l.timer = nil
	}
}

// Run is the handshake's coroutine.
func (l *tlsTransport) Run() {
	defer func() {
		if v := recover(); v != nil { // in a function of the configuration
			l.err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	l.err = l.conn.HandshakeContext(context.Background())
}

// Ended is called when a function of the configuration has ended the goroutine.
func (l *tlsTransport) Ended(bool) {
	l.co = nil
	l.shaking = false
	l.stop()
	l.t.sock.abort(fmt.Errorf("TLS handshake: %w", ErrGoexit))
}

// shake goes on with the handshake, and reports whether it has ended. When it has
// failed, the socket is closed.
func (l *tlsTransport) shake() (ended bool) {
	t := l.t
	coros := &t.sock.loop.coros
	if l.co == nil {
		l.co = coros.Get(l)
	}
	if !coros.Resume(l.co) {
		return false
	}
	coros.Put(l.co)
	l.co = nil
	l.shaking = false
	l.stop()
	if l.err != nil {
		err := fmt.Errorf("TLS handshake: %w", l.err)
		if l.ended && errors.Is(l.err, io.EOF) {
			err = fmt.Errorf("TLS handshake: %w", io.ErrUnexpectedEOF)
		}
		t.sock.abort(err)
		return true
	}
	if t.order != callsNone { // StartTLS
		t.readPaused = false
		t.settle(nil)
	}
	return true
}

// errNoRecord says to crypto/tls that a read is to be made again.
var errNoRecord = &temporaryError{driver.ErrWouldBlock}

// read decrypts what has come, as much as one call returns.
func (l *tlsTransport) read() {
	t := l.t
	s := &t.sock
	if l.closing {
		l.discard()
		return
	}
	if !t.reads() {
		s.abortFailed()
		return
	}
	p := t.buffer()
	if len(p) == 0 {
		s.abort(errEmptyBuffer)
		return
	}
	n, err := l.conn.Read(p)
	if n > 0 {
		t.received(p[:n])
		if err != errNoRecord {
			t.schedule()
		}
		return
	}
	switch {
	case err == nil:
		t.schedule()
	case err == errNoRecord:
		s.abortFailed()
	case err == io.EOF && !l.ended:
		t.eof()
	case l.ended:
		s.abort(ErrTruncated)
	default:
		s.abort(fmt.Errorf("TLS: %w", err))
	}
}

// discard reads until the peer's end, after this side's was sent.
func (l *tlsTransport) discard() {
	t := l.t
	for range 4 {
		_, err := l.conn.Read(t.sock.loop.readBuffer())
		switch {
		case err == nil:
		case err == errNoRecord:
			t.sock.abortFailed()
			return
		default:
			t.sock.close()
			return
		}
	}
	t.schedule()
}

// writable says why nothing can be written, if so.
func (l *tlsTransport) writable() error {
	if l.shaking {
		return fmt.Errorf("asyncio: write during the TLS handshake: %w", ErrInvalidState)
	}
	return l.t.sock.writable()
}

func (l *tlsTransport) write(bufs ...[]byte) (int, error) {
	if err := l.writable(); err != nil {
		return 0, err
	}
	return l.wire.send(l.conn, bufs...)
}

func (l *tlsTransport) writeEOF() error {
	s := &l.t.sock
	if s.eof {
		return nil
	}
	if err := l.writable(); err != nil {
		return err
	}
	if err := l.conn.CloseWrite(); err != nil {
		return err
	}
	return s.writeEOF()
}

// close sends close_notify after what was written, waits for that of the peer,
// and closes then: a descriptor that is closed while something from the peer is
// unread makes the system reset the connection, and the peer may lose what was
// sent to it.
func (l *tlsTransport) close() {
	t := l.t
	s := &t.sock
	if l.closing || s.closing {
		return
	}
	if l.shaking {
		s.abort(nil)
		return
	}
	l.closing = true
	if !s.eof && s.failure() == nil {
		_ = l.conn.CloseWrite() // when it fails, so does what follows
	}
	if t.readEnded || s.failure() != nil {
		s.close()
		return
	}
	_ = s.writeEOF() // the same
	if s.closed {
		return
	}
	l.limit(l.shutdownTimeout, "TLS shutdown")
	t.schedule()
}

// connectionState returns what the handshake has agreed on.
func (l *tlsTransport) connectionState() *tls.ConnectionState {
	if l.shaking { // the handshake holds the lock that would be taken
		return nil
	}
	state := l.conn.ConnectionState()
	return &state
}

// transportWire is the private connection under crypto/tls.
type transportWire struct {
	tlsWire
	layer *tlsTransport
}

var _ net.Conn = (*transportWire)(nil)

func (w *transportWire) Read(p []byte) (int, error) {
	l := w.layer
	for {
		n, err := w.sock.readNow(p)
		switch {
		case err == io.EOF:
			l.ended = true
			return n, err
		case err != driver.ErrWouldBlock:
			return n, err
		case !l.shaking:
			return 0, errNoRecord
		}
		l.t.sock.loop.coros.Suspend()
	}
}

// StartTLS does a TLS handshake over t, after what was read and written so far,
// and goes on over TLS. It returns t itself, which has the same protocol; no
// ConnectionMade is called again. Reading goes on afterwards, also when it was
// paused: pause it in the callback that decides to start TLS, so that what the
// peer sends next is not taken for plain text. While the handshake goes on,
// writing is an error. When it fails, the connection is closed. It is for a
// task of the loop. Python: loop.start_tls.
func (l *Loop) StartTLS(ctx context.Context, t Transport, cfg *tls.Config, server bool, opts ...StreamOption) (Transport, error) {
	task, level, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	tr, err := transportOf(l, t)
	if err == nil {
		err = tr.sock.writable()
	}
	switch {
	case err != nil:
	case tr.tls != nil:
		err = fmt.Errorf("%w: the transport has TLS already", ErrInvalidState)
	case tr.sock.sendsFile():
		err = fmt.Errorf("%w: a file is being sent", ErrInvalidState)
	case tr.readEnded:
		err = io.ErrUnexpectedEOF
	default:
		err = checkTLS(cfg, server)
	}
	if err != nil {
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyConn(&o)
	}
	tr.waiter = &future{loop: l}
	tr.secure(cfg, server, &o)
	tr.schedule()
	if err := tr.wait(task, level); err != nil {
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return tr, nil
}
