package sim

import (
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/spawn"
)

// told is the handler that a driver has in the place of the loop's.
type told struct {
	d  *flight
	id uint64
	to driver.Handler // nil: not named yet
}

func (t *told) begin(d *flight, id uint64, to driver.Handler) {
	t.d, t.id, t.to = d, id, to
	if d.inner == nil {
		d.play.handles[id] = t
	}
}

// end takes back begin.
func (t *told) end() {
	if t.d.inner == nil {
		delete(t.d.play.handles, t.id)
	}
}

// Ready implements [driver.Handler].
func (t *told) Ready(e driver.Event) {
	if t.d.inner != nil {
		t.d.note(entry{op: opReady, id: t.id, n: int64(e)})
	}
	if t.to != nil {
		t.to.Ready(e)
	}
}

// A flightHandle is what all handles of a [flight] have in common.
type flightHandle struct {
	d      *flight
	id     uint64
	told   told
	closed bool
}

// open opens a handle. really does so, with the handler to be told.
func (h *flightHandle) open(d *flight, what op, arg uint64, to driver.Handler, really func(told driver.Handler) error) entry {
	d.ids++
	h.begin(d, to)
	e := d.do(what, h.id, arg, func(e *entry) { e.err = really(&h.told) })
	if e.err != nil {
		h.told.end()
		d.open--
	}
	return e
}

// begin makes the newest number that of the handle.
func (h *flightHandle) begin(d *flight, to driver.Handler) {
	h.d, h.id = d, d.ids
	h.told.begin(d, h.id, to)
	d.open++
}

// shut closes the handle.
func (h *flightHandle) shut(what op, really func() error) error {
	if !h.closed {
		h.closed = true
		h.d.open--
		h.told.end()
	}
	return h.d.do(what, h.id, 0, func(e *entry) { e.err = really() }).err
}

// address returns one of the handle's.
func (h *flightHandle) address(which op, really func() net.Addr) net.Addr {
	return decodeAddr(h.d.do(which, h.id, 0, func(e *entry) { e.data = encodeAddr(really()) }).data)
}

// A flightConn is a connection, or an end of a pipe, of a [flight].
type flightConn struct {
	flightHandle
	inner  driver.Conn
	failed error // of a process's pipe: the driver cannot wait for it, and Start says so
}

var (
	_ driver.Conn       = (*flightConn)(nil)
	_ driver.PipeWriter = (*flightConn)(nil)
)

// Start implements [driver.Conn].
func (c *flightConn) Start(h driver.Handler) error {
	if c.failed != nil {
		return c.failed
	}
	c.told.to = h
	return c.d.do(opStart, c.id, 0, func(e *entry) { e.err = c.inner.Start(&c.told) }).err
}

// ConnectError implements [driver.Conn].
func (c *flightConn) ConnectError() error {
	return c.d.do(opConnectError, c.id, 0, func(e *entry) { e.err = c.inner.ConnectError() }).err
}

// Read implements [driver.Conn].
func (c *flightConn) Read(p []byte) (int, error) {
	e := c.d.do(opRead, c.id, uint64(len(p)), func(e *entry) {
		n, err := c.inner.Read(p)
		e.data, e.err = p[:n], err
	})
	return copy(p, e.data), e.err
}

// Write implements [driver.Conn].
func (c *flightConn) Write(p []byte) (int, error) {
	return c.write(uint64(len(p))<<32|uint64(crc32.ChecksumIEEE(p)), func() (int, error) { return c.inner.Write(p) })
}

// Writev implements [driver.Conn].
func (c *flightConn) Writev(p [][]byte) (int, error) {
	size, sum := 0, uint32(0)
	for _, b := range p {
		size += len(b)
		sum = crc32.Update(sum, crc32.IEEETable, b)
	}
	return c.write(uint64(size)<<32|uint64(sum), func() (int, error) { return c.inner.Writev(p) })
}

func (c *flightConn) write(asked uint64, really func() (int, error)) (int, error) {
	e := c.d.do(opWrite, c.id, asked, func(e *entry) {
		n, err := really()
		e.n, e.err = int64(n), err
	})
	return int(e.n), e.err
}

// CloseWrite implements [driver.Conn].
func (c *flightConn) CloseWrite() error {
	return c.d.do(opCloseWrite, c.id, 0, func(e *entry) { e.err = c.inner.CloseWrite() }).err
}

// Close implements [driver.Conn].
func (c *flightConn) Close() error {
	if c.failed != nil {
		return nil
	}
	return c.shut(opClose, func() error { return c.inner.Close() })
}

// Reset implements [driver.Conn].
func (c *flightConn) Reset() { c.d.do(opReset, c.id, 0, func(*entry) { c.inner.Reset() }) }

// Discard implements [driver.Conn].
func (c *flightConn) Discard(buf []byte) {
	c.d.do(opDiscard, c.id, 0, func(*entry) { c.inner.Discard(buf) })
}

// LocalAddr implements [driver.Conn].
func (c *flightConn) LocalAddr() net.Addr {
	return c.address(opLocal, func() net.Addr { return c.inner.LocalAddr() })
}

// RemoteAddr implements [driver.Conn].
func (c *flightConn) RemoteAddr() net.Addr {
	return c.address(opRemote, func() net.Addr { return c.inner.RemoteAddr() })
}

// ReaderGone implements [driver.PipeWriter].
func (c *flightConn) ReaderGone() bool {
	return c.d.do(opReaderGone, c.id, 0, func(e *entry) {
		if readerGone(c.inner) {
			e.n = 1
		}
	}).n != 0
}

// readerGone reports whether nobody is left who could read from a pipe.
func readerGone(c driver.Conn) bool {
	if p, ok := c.(driver.PipeWriter); ok {
		return p.ReaderGone()
	}
	raw, err := c.SyscallConn()
	return err == nil && spawn.ReaderGone(raw)
}

// SyscallConn implements [driver.Conn].
func (c *flightConn) SyscallConn() (syscall.RawConn, error) { return nil, c.d.cannot("a descriptor") }

// A flightListener is a listener of a [flight].
type flightListener struct {
	flightHandle
	inner driver.Listener
	addr  net.Addr
}

var _ driver.Listener = (*flightListener)(nil)

// Accept implements [driver.Listener].
func (l *flightListener) Accept() (driver.Conn, error) {
	c := new(flightConn)
	e := l.d.do(opAccept, l.id, 0, func(e *entry) { c.inner, e.err = l.inner.Accept() })
	if e.err != nil {
		return nil, e.err
	}
	l.d.ids++
	c.begin(l.d, nil)
	return c, nil
}

// Close implements [driver.Listener].
func (l *flightListener) Close() error {
	return l.shut(opCloseListener, func() error { return l.inner.Close() })
}

// Addr implements [driver.Listener].
func (l *flightListener) Addr() net.Addr { return l.addr }

// SyscallConn implements [driver.Listener].
func (l *flightListener) SyscallConn() (syscall.RawConn, error) {
	return nil, l.d.cannot("a descriptor")
}

// encodeAddr returns what stands for an address.
func encodeAddr(a net.Addr) []byte {
	if a == nil {
		return nil
	}
	return []byte(a.Network() + " " + a.String())
}

// decodeAddr makes an address of what stands for it.
func decodeAddr(p []byte) net.Addr {
	network, text, _ := strings.Cut(string(p), " ")
	if at, err := netip.ParseAddrPort(text); err == nil && strings.HasPrefix(network, "tcp") {
		return net.TCPAddrFromAddrPort(at)
	} else if err == nil && strings.HasPrefix(network, "udp") {
		return net.UDPAddrFromAddrPort(at)
	}
	if network == "" {
		return nil
	}
	return &net.UnixAddr{Name: text, Net: network}
}

// chance returns a random number of less than n.
func chance(n int64) int64 { return rand.Int64N(n) }
