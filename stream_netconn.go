package asyncio

import (
	"io"
	"net"
	"time"
)

// netConn is the net.Conn view of a stream.
type netConn struct{ s *Stream }

var (
	_ net.Conn    = (*netConn)(nil)
	_ closeWriter = (*netConn)(nil)
)

type closeWriter interface{ CloseWrite() error }

// Conn gives a [net.Conn] of the stream, for code that is written for one: a
// Read suspends the running task and not a thread. It is bound to the loop and
// not to a context; all its methods are for the loop's goroutine, and give
// [ErrWrongGoroutine] elsewhere. Deadlines follow the real clock. It has the
// CloseWrite of a [net.TCPConn] too.
func (s *Stream) Conn() net.Conn { return &netConn{s} }

func (c *netConn) Read(p []byte) (int, error)  { return c.s.Read(p) }
func (c *netConn) Write(p []byte) (int, error) { return c.s.Write(p) }
func (c *netConn) Close() error                { return c.s.Close() }
func (c *netConn) CloseWrite() error           { return c.s.WriteEOF() }
func (c *netConn) LocalAddr() net.Addr         { return c.s.LocalAddr() }
func (c *netConn) RemoteAddr() net.Addr        { return c.s.RemoteAddr() }

func (c *netConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *netConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline((*pullSocket).setReadDeadline, t)
}

// SetWriteDeadline bounds how long a Write is held up. It never drops what is
// queued.
func (c *netConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline((*pullSocket).setWriteDeadline, t)
}

func (c *netConn) setDeadline(set func(*pullSocket, time.Time), t time.Time) error {
	if err := onLoop(); err != nil {
		return err
	}
	s := c.s.StreamWriter.sock
	if s.closed {
		return net.ErrClosed
	}
	set(s, t)
	return nil
}

// WriteTo and ReadFrom are not there on purpose: io.Copy then uses its own
// buffer, and the write queue holds it up.
var _ io.ReadWriteCloser = (*netConn)(nil)
