package asyncio

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// A PacketConn is a datagram endpoint as code for package net wants it: a
// [net.PacketConn], and, where it is connected ([WithRemoteAddr]), a [net.Conn]
// too. Make one with [OpenPacketConn].
//
// ReadFrom, WriteTo, Read and Write are for a task of the loop, and return
// [ErrWrongGoroutine] on any other goroutine. The others may be called from any
// goroutine that is not another loop's. Errors are a [*net.OpError].
//
// A write waits only while more is queued than the high-water mark. What the
// network makes of a datagram is told to the next read of a connected endpoint,
// and to nobody else. Reads take what the kernel has kept, in its bounds, and a
// few datagrams that are kept here; each is copied twice.
type PacketConn interface {
	net.PacketConn
	net.Conn
	// Shared returns the endpoint for any goroutine: a read or write on one that
	// is not the loop's has the loop do it, and blocks until that has ended. It
	// costs some microseconds, and whoever waits on the loop for such a goroutine
	// waits for ever; see [Stream.SharedConn].
	Shared() PacketConn
}

// OpenPacketConn opens a datagram socket, as [Loop.CreateDatagramEndpoint] does,
// to read and to write it. It is for a task of the loop. Python:
// create_datagram_endpoint, in the place of a protocol.
func OpenPacketConn(ctx context.Context, network string, opts ...DatagramOption) (PacketConn, error) {
	q := &packetQueue{}
	tr, err := createDatagramEndpoint(ctx, nil, network, func() DatagramProtocol { return q }, opts)
	if err != nil {
		return nil, err
	}
	return &packetConn{netView{of: q, local: tr.LocalAddr(), remote: tr.RemoteAddr()}, q}, nil
}

// keptPackets is how many datagrams are kept for reads. The kernel keeps what
// comes then, and drops what is too much.
const keptPackets = 16

// A packet is a datagram that has come.
type packet struct {
	data []byte
	from net.Addr
}

// A packetQueue is the protocol of an endpoint that is read.
type packetQueue struct {
	tr      *datagramTransport
	kept    []packet
	failed  error    // what a connected endpoint was told of the network; for the next read
	news    waitList // who waits for a datagram
	readBy  deadline
	writeBy deadline
}

var (
	_ DatagramProtocol = (*packetQueue)(nil)
	_ deadlined        = (*packetQueue)(nil)
)

func (q *packetQueue) ConnectionMade(t DatagramTransport) { q.tr = t.(*datagramTransport) }

func (q *packetQueue) DatagramReceived(p []byte, from net.Addr) {
	q.kept = append(q.kept, packet{bytes.Clone(p), from})
	q.tr.pauseReading(len(q.kept) >= keptPackets)
	q.news.fire(nil)
}

func (q *packetQueue) ErrorReceived(err error) {
	if q.tr.RemoteAddr() != nil {
		q.failed = err
		q.news.fire(nil)
	}
}

func (q *packetQueue) ConnectionLost(error) {
	q.readBy.stop()
	q.writeBy.stop()
	q.news.fire(nil)
}

func (q *packetQueue) PauseWriting()  {}
func (q *packetQueue) ResumeWriting() {}

// eventLoop implements deadlined.
func (q *packetQueue) eventLoop() *Loop { return q.tr.loop }

// isClosed implements deadlined.
func (q *packetQueue) isClosed() bool { return q.tr.closing }

// setReadDeadline implements deadlined.
func (q *packetQueue) setReadDeadline(t time.Time) {
	q.readBy.set(q.tr.loop, t, func() { q.news.fire(nil) })
}

// setWriteDeadline implements deadlined.
func (q *packetQueue) setWriteDeadline(t time.Time) {
	q.writeBy.set(q.tr.loop, t, func() { q.tr.room.fire(nil) })
}

// read suspends the running task until there is a datagram.
func (q *packetQueue) read(p []byte) (int, net.Addr, error) {
	t, err := q.tr.loop.runningTask()
	for err == nil {
		switch {
		case q.tr.closing:
			err = net.ErrClosed
		case q.readBy.expired:
			err = os.ErrDeadlineExceeded
		case q.failed != nil:
			err, q.failed = q.failed, nil
		case len(q.kept) > 0:
			first := q.kept[0]
			q.kept[0] = packet{}
			q.kept = q.kept[1:]
			q.tr.pauseReading(false)
			return copy(p, first.data), q.own(first.from), nil
		default:
			err = q.news.wait(t, nil, q.tr)
		}
	}
	return 0, nil, err
}

// own returns an address that the caller may change, as that of a [net.PacketConn].
func (q *packetQueue) own(from net.Addr) net.Addr {
	u, ok := from.(*net.UDPAddr)
	if !ok || from == q.tr.RemoteAddr() {
		return from
	}
	return &net.UDPAddr{IP: bytes.Clone(u.IP), Port: u.Port, Zone: u.Zone}
}

// write sends p, and suspends the running task while too much is queued.
func (q *packetQueue) write(p []byte, to net.Addr) error {
	if q.writeBy.expired && !q.tr.closing {
		return os.ErrDeadlineExceeded
	}
	if err := q.tr.SendTo(p, to); err != nil {
		return err
	}
	if !q.tr.paused || q.tr.loop.current == nil {
		return nil
	}
	t, err := q.tr.loop.runningTask()
	for err == nil && q.tr.paused && !q.tr.closed {
		if q.writeBy.expired {
			return os.ErrDeadlineExceeded
		}
		err = q.tr.room.wait(t, nil, q.tr)
	}
	return err
}

// packetConn is the PacketConn over a packetQueue.
type packetConn struct {
	netView
	q *packetQueue
}

func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	if err := onLoop(); err != nil {
		return 0, nil, c.opError("read", err)
	}
	n, from, err := c.q.read(p)
	return n, from, c.opError("read", err)
}

func (c *packetConn) WriteTo(p []byte, to net.Addr) (int, error) {
	err := onLoop()
	if err == nil && to == nil {
		err = &net.AddrError{Err: "missing address"}
	}
	if err == nil {
		err = c.q.write(p, to)
	}
	return c.written(p, err)
}

func (c *packetConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

func (c *packetConn) Write(p []byte) (int, error) {
	err := onLoop()
	if err == nil && c.remote == nil {
		err = fmt.Errorf("a datagram endpoint without a remote address: %w", &net.AddrError{Err: "missing address"})
	}
	if err == nil {
		err = c.q.write(p, nil)
	}
	return c.written(p, err)
}

func (c *packetConn) written(p []byte, err error) (int, error) {
	if err != nil {
		return 0, c.opError("write", err)
	}
	return len(p), nil
}

func (c *packetConn) Close() error {
	return c.doClose(func() error {
		c.q.tr.Close()
		c.q.news.fire(nil)
		return nil
	})
}

func (c *packetConn) Shared() PacketConn { return &sharedPacketConn{c} }

// sharedPacketConn is a packetConn for any goroutine.
type sharedPacketConn struct{ *packetConn }

func (c *sharedPacketConn) ReadFrom(p []byte) (n int, from net.Addr, err error) {
	n, err = c.onItsLoop("read", func() (n int, err error) {
		n, from, err = c.packetConn.ReadFrom(p)
		return n, err
	})
	return n, from, err
}

func (c *sharedPacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	return c.onItsLoop("write", func() (int, error) { return c.packetConn.WriteTo(p, to) })
}

func (c *sharedPacketConn) Read(p []byte) (int, error) {
	return c.onItsLoop("read", func() (int, error) { return c.packetConn.Read(p) })
}

func (c *sharedPacketConn) Write(p []byte) (int, error) {
	return c.onItsLoop("write", func() (int, error) { return c.packetConn.Write(p) })
}

func (c *sharedPacketConn) Shared() PacketConn { return c }
