package sim

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

type connState uint8

const (
	connecting connState = iota
	established
	broken // it was reset, or has timed out, or was never made
)

// A conn is one end of a connection: what its machine keeps of it. The program may
// have closed it while the machine still sends what was written.
type conn struct {
	handle
	id            uint64 // of the connection: both ends have it
	state         connState
	port          uint16         // to be let go of; 0: none
	src, dst      netip.AddrPort // of TCP
	local, remote net.Addr       // the same, made when somebody asks
	peer          *conn          // nil: the other machine does not know of it yet
	connectErr    error
	err           error // why it is broken, until a call has returned it

	in   []byte
	read int  // so much of in was read
	eof  bool // nothing comes after in

	backlogged bool // nobody has accepted it yet
	resetting  bool // Close sends a reset
	ended      bool // the end was sent
	sending
}

var _ driver.Conn = (*conn)(nil)

// addConn opens a connection's handle.
func (d *Driver) addConn(c *conn, h driver.Handler) { d.add(&c.handle, c, h) }

// Start implements [driver.Conn].
func (c *conn) Start(h driver.Handler) error {
	if c.closed {
		return net.ErrClosed
	}
	c.handler = h
	if c.events != 0 {
		c.tell(c.events)
	}
	return nil
}

// ConnectError implements [driver.Conn].
func (c *conn) ConnectError() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.state == connecting:
		return driver.ErrWouldBlock
	}
	return c.connectErr
}

// fail breaks the connection.
func (c *conn) fail(why syscall.Errno) {
	if c.state == broken {
		return
	}
	if c.state == connecting {
		c.connectErr = os.NewSyscallError("connect", why)
	}
	c.state, c.err, c.eof = broken, why, true
	c.stuck = nil
	c.tell(driver.Readable | driver.Writable | driver.Hangup)
}

// failure returns why the connection is broken, once.
func (c *conn) failure(op string) error {
	err := c.err
	c.err = nil
	return os.NewSyscallError(op, err)
}

// less reports whether a read or a write of so many bytes is to do less than it
// could, and how much.
func (n *Network) less(most int) int {
	if most > 1 && n.Partial > 0 && n.world.Pick(n.Partial) == n.Partial-1 {
		return 1 + n.world.Pick(min(most-1, 255))
	}
	return most
}

// Read implements [driver.Conn].
func (c *conn) Read(p []byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case len(p) == 0:
		return 0, nil
	case c.read < len(c.in):
		n := copy(p[:c.d.net.less(min(len(p), len(c.in)-c.read))], c.in[c.read:])
		c.take(n)
		if n < len(p) && (c.read < len(c.in) || c.eof) {
			c.tell(driver.Readable)
		}
		return n, nil
	case c.err != nil:
		return 0, c.failure("read")
	case c.eof:
		return 0, io.EOF
	}
	return 0, driver.ErrWouldBlock
}

// take notes that n bytes were read.
func (c *conn) take(n int) {
	if c.read += n; c.read == len(c.in) {
		c.in, c.read = nil, 0
	}
	if c.peer != nil {
		c.peer.credit(n)
	}
}

// Discard implements [driver.Conn].
func (c *conn) Discard([]byte) {
	if n := min(len(c.in)-c.read, driver.DiscardLimit); n > 0 && !c.closed {
		c.take(n)
	}
}

// Write implements [driver.Conn].
func (c *conn) Write(p []byte) (int, error) { return c.write(len(p), p) }

// Writev implements [driver.Conn].
func (c *conn) Writev(p [][]byte) (int, error) {
	n := 0
	for _, b := range p {
		n += len(b)
	}
	return c.write(n, p...)
}

func (c *conn) write(size int, p ...[]byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case size == 0:
		return 0, nil
	case c.err != nil:
		return 0, c.failure("write")
	case c.ended || c.state == broken:
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	case c.state == connecting:
		return 0, driver.ErrWouldBlock
	}
	n := min(size, c.room())
	if n == 0 {
		c.wantRoom()
		return 0, driver.ErrWouldBlock
	}
	if less := c.d.net.less(n); less < n {
		n = less
		c.tell(driver.Writable)
	} else if n < size {
		c.wantRoom()
	}
	s := newSegment(n)
	for _, b := range p {
		s.data = append(s.data, b[:min(len(b), n-len(s.data))]...)
	}
	c.unread += n
	c.send(s)
	return n, nil
}

// CloseWrite implements [driver.Conn].
func (c *conn) CloseWrite() error {
	if c.closed {
		return net.ErrClosed
	}
	c.end()
	return nil
}

// end sends the end of what is written.
func (c *conn) end() {
	if !c.ended && c.state == established {
		c.send(&segment{fin: true})
	}
	c.ended = true
}

// Reset implements [driver.Conn].
func (c *conn) Reset() { c.resetting = true }

// Close implements [driver.Conn]. As with TCP, what was not read makes it a reset.
func (c *conn) Close() error {
	if err := c.handle.shut(); err != nil {
		return err
	}
	if c.port != 0 {
		c.d.letPortGo(c.port)
	}
	if c.state != established {
		return nil
	}
	if c.resetting || c.read < len(c.in) {
		c.sendReset()
	} else {
		c.end()
	}
	return nil
}

// LocalAddr implements [driver.Conn].
func (c *conn) LocalAddr() net.Addr { return tcpAddr(&c.local, c.src) }

// RemoteAddr implements [driver.Conn].
func (c *conn) RemoteAddr() net.Addr { return tcpAddr(&c.remote, c.dst) }

// tcpAddr returns an address that is made when it is asked for first.
func tcpAddr(a *net.Addr, of netip.AddrPort) net.Addr {
	if *a == nil {
		*a = net.TCPAddrFromAddrPort(of)
	}
	return *a
}

// arrive takes a segment of the peer's.
func (c *conn) arrive(s *segment) {
	n := c.d.net
	if c.state == connecting {
		c.state = established // the answer to the SYN was overtaken
		c.tell(driver.Writable)
	}
	switch {
	case c.state == broken:
		return
	case s.fin:
		n.world.Trace(Fin, c.d.machine.ID, c.id, 0)
		c.eof = true
		c.tell(driver.Readable | driver.Hangup)
	case len(s.data) == 0:
		// a probe
	case c.closed:
		c.sendReset() // nobody will ever read it
	default:
		n.world.Trace(Segment, c.d.machine.ID, c.id, digest(s.data))
		if len(c.in) == 0 {
			c.in = s.data
		} else {
			c.in = append(slices.Clip(c.in[c.read:]), s.data...)
			c.read = 0
		}
		c.tell(driver.Readable)
	}
}
