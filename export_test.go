package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/virtual"
)

// A Clock is a virtual clock on which a test can also let time go by while a
// callback runs. It belongs to one loop, see [WithClock].
type Clock struct {
	*virtual.Driver
	passed time.Duration
}

func NewClock() *Clock { return &Clock{Driver: virtual.New()} }

// Pass lets so much time go by.
func (c *Clock) Pass(d time.Duration) { c.passed += d }

func (c *Clock) Now() time.Duration { return c.Driver.Now() + c.passed }

func (c *Clock) Park(until time.Duration, pending func() bool) error {
	if until != driver.Forever {
		until -= c.passed
	}
	return c.Driver.Park(until, pending)
}

// WithClock makes a loop go by c.
func WithClock(c *Clock) Option {
	return option(func(o *config) { o.newDriver = func() (driver.Driver, error) { return c, nil } })
}

// NewStreamOn makes a stream on a connection that is no descriptor.
func NewStreamOn(l *Loop, conn driver.Conn) (*Stream, error) {
	c := newConnection(l, 0)
	return &c.stream, c.attach(conn)
}

// NewTransportOn makes a transport on a connection that is no descriptor.
func NewTransportOn(l *Loop, conn driver.Conn, p Protocol) error {
	return newTransport(l, p).attach(conn)
}

// Held returns how many connections the listener holds that nobody has taken.
func (l *Listener) Held() int { return len(l.ready) }

// NewDatagramTransportOn makes a datagram transport on a socket that is no
// descriptor, and returns who is to be told of its events.
func NewDatagramTransportOn(l *Loop, conn driver.PacketConn, p DatagramProtocol) driver.Handler {
	t := newDatagramTransport(l)
	t.protocol = p
	t.attach(conn)
	t.schedule()
	return t
}

// NewPacketConnOn makes a PacketConn on a socket that is no descriptor, likewise.
func NewPacketConnOn(l *Loop, conn driver.PacketConn) (PacketConn, driver.Handler) {
	q := &packetQueue{}
	h := NewDatagramTransportOn(l, conn, q)
	return &packetConn{netView{of: q, local: conn.LocalAddr(), remote: conn.RemoteAddr()}, q}, h
}

// CheckCallOrder is what debug mode does with a callback, which is in its order or
// not, after so many of ConnectionMade, EOFReceived and ConnectionLost.
func CheckCallOrder(after int, ok bool, what string) { callOrder(after).check(ok, what) }

// HoldsBuffer reports whether the reader has a buffer.
func (r *StreamReader) HoldsBuffer() bool { return r.in != nil && r.in.buf != nil }

// Buffered returns how many bytes have come that were not read.
func (r *StreamReader) Buffered() int { return r.buffered() }

// WatchedDescriptors returns how many descriptors the loop watches for others.
func WatchedDescriptors(l *Loop) int { return len(descriptorsOf(l).watched) }

// A BufferStore is what a loop keeps of buffers for its readers.
type BufferStore struct{ c connections }

func (s *BufferStore) Borrow() []byte    { return s.c.borrow() }
func (s *BufferStore) GiveBack(b []byte) { s.c.giveBack(b) }

// Kept returns how many buffers it keeps, and how many it only has not forgotten.
func (s *BufferStore) Kept() (kept, forgotten int) {
	kept = len(s.c.buffers)
	for _, b := range s.c.buffers[kept:cap(s.c.buffers)] {
		if b != nil {
			forgotten++
		}
	}
	return kept, forgotten
}

// StallLimit returns how long a loop may stand still.
func StallLimit(l *Loop) time.Duration { return l.onRun.(*presence).stall.limit }
