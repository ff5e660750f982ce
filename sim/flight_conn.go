package sim

import (
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
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

// A flightConn is a connection of a [flight].
type flightConn struct {
	d      *flight
	id     uint64
	inner  driver.Conn
	told   told
	closed bool
}

var _ driver.Conn = (*flightConn)(nil)

// Start implements [driver.Conn].
func (c *flightConn) Start(h driver.Handler) error {
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
	if !c.closed {
		c.closed = true
		c.d.open--
		c.told.end()
	}
	return c.d.do(opClose, c.id, 0, func(e *entry) { e.err = c.inner.Close() }).err
}

// Reset implements [driver.Conn].
func (c *flightConn) Reset() { c.d.do(opReset, c.id, 0, func(*entry) { c.inner.Reset() }) }

// Discard implements [driver.Conn].
func (c *flightConn) Discard(buf []byte) {
	c.d.do(opDiscard, c.id, 0, func(*entry) { c.inner.Discard(buf) })
}

// LocalAddr implements [driver.Conn].
func (c *flightConn) LocalAddr() net.Addr {
	return decodeAddr(c.d.do(opLocal, c.id, 0, func(e *entry) { e.data = encodeAddr(c.inner.LocalAddr()) }).data)
}

// RemoteAddr implements [driver.Conn].
func (c *flightConn) RemoteAddr() net.Addr {
	return decodeAddr(c.d.do(opRemote, c.id, 0, func(e *entry) { e.data = encodeAddr(c.inner.RemoteAddr()) }).data)
}

// SyscallConn implements [driver.Conn].
func (c *flightConn) SyscallConn() (syscall.RawConn, error) { return nil, c.d.cannot("a descriptor") }

// A flightListener is a listener of a [flight].
type flightListener struct {
	d      *flight
	id     uint64
	inner  driver.Listener
	addr   net.Addr
	told   told
	closed bool
}

var _ driver.Listener = (*flightListener)(nil)

// Accept implements [driver.Listener].
func (l *flightListener) Accept() (driver.Conn, error) {
	c := &flightConn{d: l.d}
	e := l.d.do(opAccept, l.id, 0, func(e *entry) { c.inner, e.err = l.inner.Accept() })
	if e.err != nil {
		return nil, e.err
	}
	l.d.ids++
	c.id = l.d.ids
	c.told.begin(l.d, c.id, nil)
	l.d.open++
	return c, nil
}

// Close implements [driver.Listener].
func (l *flightListener) Close() error {
	if !l.closed {
		l.closed = true
		l.d.open--
		l.told.end()
	}
	return l.d.do(opCloseListener, l.id, 0, func(e *entry) { e.err = l.inner.Close() }).err
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
	}
	if network == "" {
		return nil
	}
	return &net.UnixAddr{Name: text, Net: network}
}

// chance returns a random number of less than n.
func chance(n int64) int64 { return rand.Int64N(n) }
