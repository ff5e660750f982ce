package asyncio

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A datagramTransport is the DatagramTransport over a socket of a driver. It is
// in the ready queue when there is something to tell its protocol, to read or
// to send, and all callbacks are made from there.
type datagramTransport struct {
	loop     *Loop
	conn     driver.PacketConn
	batcher  driver.PacketBatcher // conn, or nil
	protocol DatagramProtocol
	waiter   *future           // told when ConnectionMade was called; or nil
	index    int               // in the loop's list
	queue    []driver.Datagram // what the kernel had no room for
	size     int               // of the queue
	low,
	high int
	errs   []error  // for ErrorReceived
	room   waitList // who waits for the queue to sink; the protocol may not hear of a short pause
	retry  *TimerHandle
	reason error // what ConnectionLost is given

	stowed  []driver.Datagram // what has come, and was not told yet
	answers *answers          // what a protocol sends that is told of a batch; or nil
	direct  bool              // a user has the socket: answers do not wait for others
	hurries bool              // callbacks take long: likewise

	order      callOrder
	scheduled  bool // run is in the ready queue
	mayRead    bool // a read may give something; false: the driver will say when
	readPaused bool // the protocol has no room
	mayWrite   bool // likewise, while something is queued
	paused     bool // the queue went above high, and not to low yet
	toldPaused bool // of PauseWriting and ResumeWriting, the first was the last
	closing    bool // close after the queue
	closed     bool // the descriptor is gone
}

const (
	// datagramCost is what each datagram counts for in the queue beside its
	// bytes, as in CPython.
	datagramCost = 8
	// datagramsAtOnce are read in one turn, so that others have theirs, and of
	// what the kernel has joined so many as take no longer.
	datagramsAtOnce       = 16
	joinedDatagramsAtOnce = 128
	// maxDatagramErrors is how many errors wait to be told. There may be one
	// for each datagram that is sent; of more than that the oldest are dropped.
	maxDatagramErrors = 64
	// unixDatagramSize is the longest datagram that is received from a unix
	// socket, and readBufferSize from UDP.
	unixDatagramSize = 256 << 10
)

var (
	_ DatagramTransport = (*datagramTransport)(nil)
	_ driver.Handler    = (*datagramTransport)(nil)
)

func newDatagramTransport(l *Loop) *datagramTransport {
	return &datagramTransport{loop: l, low: defaultLowWater, high: defaultHighWater}
}

// attach gives the transport its socket. ConnectionMade follows.
func (t *datagramTransport) attach(conn driver.PacketConn) {
	t.conn = conn
	t.batcher, _ = conn.(driver.PacketBatcher)
	t.mayRead = true
	datagramsOf(t.loop).add(t)
}

// Ready notes what has happened.
func (t *datagramTransport) Ready(e driver.Event) {
	if e&(driver.Readable|driver.Hangup) != 0 {
		t.mayRead = true
	}
	if e&driver.Writable != 0 {
		t.mayWrite = true
	}
	if t.conn != nil && (t.mayRead || len(t.queue) > 0) {
		t.schedule()
	}
}

func (t *datagramTransport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.loop.ready.Push(t)
	}
}

// run makes the callbacks that are due, sends and reads.
func (t *datagramTransport) run() {
	t.scheduled = false
	defer t.guard()
	if t.order == callsNone && !t.closed {
		t.made()
		t.schedule() // whoever waits for the endpoint runs before data comes
		return
	}
	if len(t.queue) > 0 && t.mayWrite {
		t.flush()
	}
	t.tellErrors()
	switch {
	case t.closed:
		t.lost()
	case t.toldPaused != t.paused:
		t.tellFlow()
		t.schedule()
	case t.batcher != nil:
		t.readBatches()
	default:
		t.read()
	}
}

// guard closes the socket when a callback of its protocol has panicked.
func (t *datagramTransport) guard() {
	v := recover()
	if v == nil {
		return
	}
	err := t.loop.callbackPanicked(v, "a datagram endpoint, which is closed", t)
	t.finish(err)
	t.settle(err)
}

// settle tells whoever waits for the endpoint, if somebody does.
func (t *datagramTransport) settle(err error) {
	f := t.waiter
	t.waiter = nil
	switch {
	case f == nil || f.state != pending:
	case err != nil:
		f.retrieved = true
		f.setError(err)
	default:
		f.setResult()
	}
}

func (t *datagramTransport) made() {
	t.check(t.order == callsNone, "ConnectionMade")
	t.order = callsMade
	t.protocol.ConnectionMade(t)
	t.settle(nil)
}

// lost calls ConnectionLost.
func (t *datagramTransport) lost() {
	before := t.order
	t.order = callsLost
	err := t.reason
	if err == nil {
		err = net.ErrClosed
	}
	t.settle(err)
	if before == callsMade {
		t.protocol.ConnectionLost(t.reason)
	}
}

func (t *datagramTransport) tellFlow() {
	t.check(t.order == callsMade, "PauseWriting")
	t.toldPaused = t.paused
	if t.toldPaused {
		t.protocol.PauseWriting()
	} else {
		t.protocol.ResumeWriting()
	}
}

func (t *datagramTransport) tellErrors() {
	if t.order != callsMade {
		return
	}
	errs := t.errs
	t.errs = nil
	for _, err := range errs {
		t.protocol.ErrorReceived(err)
	}
}

// failed notes an error for ErrorReceived.
func (t *datagramTransport) failed(err error) {
	if len(t.errs) == maxDatagramErrors {
		copy(t.errs, t.errs[1:])
		t.errs = t.errs[:maxDatagramErrors-1]
	}
	t.errs = append(t.errs, err)
	t.schedule()
}

// read reads some datagrams.
func (t *datagramTransport) read() {
	for range datagramsAtOnce {
		if t.closing || !t.mayRead || t.readPaused {
			return
		}
		buf := t.buffer()
		n, from, err := t.conn.ReadFrom(buf)
		t.check(t.order == callsMade, "DatagramReceived")
		switch err {
		case nil:
			t.protocol.DatagramReceived(buf[:n], from)
		case driver.ErrWouldBlock:
			t.mayRead = false
			return
		default:
			t.protocol.ErrorReceived(err)
		}
	}
	t.schedule()
}

// buffer returns the loop's buffer for reading.
func (t *datagramTransport) buffer() []byte {
	if t.isUnix() {
		d := datagramsOf(t.loop)
		if d.readUnixInto == nil {
			d.readUnixInto = make([]byte, unixDatagramSize)
		}
		return d.readUnixInto
	}
	return t.loop.readBuffer()
}

// isUnix reports whether it is a unix socket: one without any address is.
func (t *datagramTransport) isUnix() bool {
	switch t.conn.LocalAddr().(type) {
	case nil, *net.UnixAddr:
		return true
	}
	return false
}

func (t *datagramTransport) check(ok bool, what string) {
	if t.loop.Debug() {
		t.order.check(ok, what)
	}
}

func (t *datagramTransport) SendTo(p []byte, to net.Addr) error {
	if err := onLoop(); err != nil {
		return err
	}
	if t.closing {
		return fmt.Errorf("asyncio: send a datagram: %w", net.ErrClosed)
	}
	to = t.receiver(to)
	if t.answers != nil && t.answer(p, to) {
		return nil
	}
	if len(t.queue) == 0 {
		_, err := t.conn.WriteTo(p, to)
		if err != driver.ErrWouldBlock {
			return t.sent(err)
		}
		t.blocked()
	}
	t.enqueue(p, to)
	t.settleFlow()
	return nil
}

// receiver returns the address as the driver wants it: nil for the remote one.
func (t *datagramTransport) receiver(to net.Addr) net.Addr {
	remote := t.conn.RemoteAddr()
	if remote != nil && to != nil && (to == remote || to.String() == remote.String()) {
		return nil
	}
	return to
}

// sent returns the error of sending a datagram that is one of the call, and takes note
// of others.
func (t *datagramTransport) sent(err error) error {
	switch {
	case err == nil:
	case isMisuse(err):
		return fmt.Errorf("asyncio: send a datagram: %w", err)
	default:
		t.failed(err)
	}
	return nil
}

// enqueue copies a datagram to the end of the queue.
func (t *datagramTransport) enqueue(p []byte, to net.Addr) {
	t.queue = append(t.queue, driver.Datagram{Data: append([]byte(nil), p...), Addr: to})
	t.size += len(p) + datagramCost
}

// isMisuse reports whether the error of sending is one of the call, and not of the
// network.
func isMisuse(err error) bool {
	var addr *net.AddrError
	return errors.As(err, &addr) || errors.Is(err, syscall.EISCONN) || errors.Is(err, syscall.EDESTADDRREQ)
}

// blocked is called when there is no room.
func (t *datagramTransport) blocked() {
	t.mayWrite = false
	if t.retry == nil && t.conn.RemoteAddr() == nil && t.isUnix() {
		// One receiver is full, and the system may not say when it is not.
		t.retry = t.loop.CallLater(unixRetry, func() {
			t.retry = nil
			t.mayWrite = true
			t.schedule()
		})
	}
}

// flush sends what the kernel takes of what is queued.
func (t *datagramTransport) flush() {
	for len(t.queue) > 0 {
		n, err := t.writeSome(t.queue)
		if err == driver.ErrWouldBlock {
			t.blocked()
		} else if err != nil {
			t.failed(err)
			n++
		}
		for i := range t.queue[:n] {
			t.size -= len(t.queue[i].Data) + datagramCost
			t.queue[i] = driver.Datagram{}
		}
		t.queue = t.queue[n:]
		if err == driver.ErrWouldBlock {
			break
		}
	}
	t.settleFlow()
	if len(t.queue) == 0 {
		t.queue = nil
		if t.closing {
			t.finish(nil)
		}
	}
}

// writeSome writes datagrams until one fails, and returns how many it has written.
func (t *datagramTransport) writeSome(ds []driver.Datagram) (int, error) {
	if t.batcher != nil && len(ds) > 1 {
		return t.batcher.WriteBatch(ds)
	}
	if _, err := t.conn.WriteTo(ds[0].Data, ds[0].Addr); err != nil {
		return 0, err
	}
	return 1, nil
}

// settleFlow compares the queue with the water marks.
func (t *datagramTransport) settleFlow() {
	switch {
	case !t.paused && t.size > t.high:
		t.paused = true
	case t.paused && t.size <= t.low:
		t.paused = false
		t.room.fire(nil)
	}
	if t.paused != t.toldPaused {
		t.schedule()
	}
}

func (t *datagramTransport) Close() {
	if onLoop() != nil || t.closing {
		return
	}
	t.sendAnswers()
	t.closing = true
	if len(t.queue) == 0 {
		t.finish(nil)
	}
}

func (t *datagramTransport) Abort() {
	if onLoop() == nil {
		t.finish(nil)
	}
}

// finish closes the socket.
func (t *datagramTransport) finish(reason error) {
	if t.closed {
		return
	}
	t.dropAnswers()
	t.closed, t.closing = true, true
	t.reason = reason
	t.stowed = nil
	t.queue, t.size = nil, 0
	t.paused = t.toldPaused
	t.room.fire(nil)
	if t.retry != nil {
		t.retry.Cancel()
	}
	datagramsOf(t.loop).remove(t)
	_ = t.conn.Close()  // there is nobody who could do something about it
	if t.loop.closing { // there will be no further turn
		t.scheduled = true
		t.run()
	} else {
		t.schedule()
	}
}

func (t *datagramTransport) IsClosing() bool { return t.closing }

func (t *datagramTransport) SetProtocol(p DatagramProtocol) { t.protocol = p }

func (t *datagramTransport) Protocol() DatagramProtocol { return t.protocol }

func (t *datagramTransport) SetWriteBufferLimits(low, high int) {
	t.low, t.high = waterMarks(low, high)
	if paused := t.size > t.high; paused != t.paused {
		t.paused = paused
		if !paused {
			t.room.fire(nil)
		}
		t.settleFlow()
	}
}

func (t *datagramTransport) WriteBufferLimits() (low, high int) { return t.low, t.high }

func (t *datagramTransport) WriteBufferSize() int {
	t.sendAnswers()
	return t.size
}

func (t *datagramTransport) LocalAddr() net.Addr { return t.conn.LocalAddr() }

func (t *datagramTransport) RemoteAddr() net.Addr { return t.conn.RemoteAddr() }

func (t *datagramTransport) SyscallConn() (syscall.RawConn, error) {
	t.direct = true
	t.dropAnswers()
	return t.conn.SyscallConn()
}

func (t *datagramTransport) Loop() *Loop { return t.loop }

// pauseReading leaves what comes in the kernel, or takes it again.
func (t *datagramTransport) pauseReading(pause bool) {
	if t.readPaused && !pause {
		t.schedule()
	}
	t.readPaused = pause
}
