package asyncio

import "net"

// netConn is the net.Conn view of a stream.
type netConn struct {
	netView
	s *Stream
}

var (
	_ net.Conn    = (*netConn)(nil)
	_ closeWriter = (*netConn)(nil)
)

type closeWriter interface{ CloseWrite() error }

// Conn returns a [net.Conn] of the stream, for code that is written for one.
// Conn itself is for the loop's goroutine.
//
// Read, Write and CloseWrite are for a task of the loop: they suspend the task,
// and return [ErrWrongGoroutine] on any other goroutine; see
// [Stream.SharedConn]. Close and the setters of deadlines may be called from
// any goroutine that is not another loop's, as libraries do when a context
// ends: the loop is told, and does it in its next turn, unless a later setting
// comes first. That costs what [Loop.CallSoonThreadsafe] does; on the loop they
// act at once.
//
// Errors, but for [io.EOF], are a [*net.OpError]. A deadline ends a Read or
// Write with one whose Timeout is true; it follows the real clock. The
// connection is bound to no context: a cancellation of the task ends its wait.
// It has the CloseWrite of a [net.TCPConn] too. It has neither WriteTo nor
// ReadFrom: [io.Copy] uses a buffer of its own, and the write queue holds it up.
func (s *Stream) Conn() net.Conn { return s.view() }

// view returns the one view of the stream, so that all settings of its
// deadlines are counted in one place.
func (s *Stream) view() *netConn {
	sock := s.StreamWriter.sock
	if onLoop() != nil {
		// To look at the socket would be a race. Who may not call Conn here
		// may still close what it returns.
		return &netConn{netView{of: sock, local: textAddr{}, remote: textAddr{}}, s}
	}
	r := sock.withRare()
	if r.view == nil {
		r.view = &netConn{netView{of: sock, local: s.LocalAddr(), remote: s.RemoteAddr()}, s}
	}
	return r.view
}

func (c *netConn) Read(p []byte) (int, error) {
	n, err := c.s.Read(p)
	return n, c.opError("read", err)
}

func (c *netConn) Write(p []byte) (int, error) {
	n, err := c.s.Write(p)
	return n, c.opError("write", err)
}

func (c *netConn) CloseWrite() error { return c.opError("close", c.s.WriteEOF()) }

func (c *netConn) Close() error { return c.doClose(c.s.Close) }
