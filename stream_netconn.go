package asyncio

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// netConn is the net.Conn view of a stream.
type netConn struct {
	s             *Stream
	local, remote net.Addr // taken when it was made: any goroutine may ask

	// How often each deadline was set. A setting from another goroutine arrives
	// later than it was made; if there was one after it, it is dropped.
	readSet, writeSet atomic.Uint64
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
func (s *Stream) Conn() net.Conn {
	if onLoop() != nil {
		// A look at the socket would be a race. Who may not call Conn here
		// may still close what it returns.
		return &netConn{s: s, local: textAddr{}, remote: textAddr{}}
	}
	return s.view()
}

// view returns the one view of the stream, so that all settings of its
// deadlines are counted in one place.
func (s *Stream) view() *netConn {
	r := s.StreamWriter.sock.withRare()
	if r.view == nil {
		r.view = &netConn{s: s, local: s.LocalAddr(), remote: s.RemoteAddr()}
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

func (c *netConn) Close() error {
	if onLoop() == nil {
		return c.opError("close", c.s.Close())
	}
	// A loop that takes nothing more closes its connections itself.
	_ = c.s.Loop().post(newHandle(func() { _ = c.s.Close() }))
	return nil
}

func (c *netConn) LocalAddr() net.Addr  { return c.local }
func (c *netConn) RemoteAddr() net.Addr { return c.remote }

func (c *netConn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, c.readSet.Add(1), c.writeSet.Add(1))
}

func (c *netConn) SetReadDeadline(t time.Time) error {
	return c.setDeadlines(t, c.readSet.Add(1), 0)
}

// SetWriteDeadline bounds how long a Write is held up. It never drops what is
// queued.
func (c *netConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadlines(t, 0, c.writeSet.Add(1))
}

// setDeadlines sets the deadlines whose setting has a number, here or on the
// loop.
func (c *netConn) setDeadlines(t time.Time, read, write uint64) error {
	if onLoop() == nil {
		if c.s.StreamWriter.sock.closed {
			return c.opError("set", net.ErrClosed)
		}
		c.apply(t, read, write)
		return nil
	}
	if !c.s.Loop().post(newHandle(func() { c.apply(t, read, write) })) {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

// apply sets the deadlines that were not set again since.
func (c *netConn) apply(t time.Time, read, write uint64) {
	s := c.s.StreamWriter.sock
	if s.closed {
		return
	}
	if read != 0 && read == c.readSet.Load() {
		s.setReadDeadline(t)
	}
	if write != 0 && write == c.writeSet.Load() {
		s.setWriteDeadline(t)
	}
}

// opError names what was done to whom, as package net does: libraries tell by
// the type that the connection, and not what came over it, is at fault.
func (c *netConn) opError(op string, err error) error {
	return opError(op, c.local, c.remote, err)
}

func opError(op string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	e := &net.OpError{Op: op, Source: local, Addr: remote, Err: err}
	if local != nil {
		e.Net = local.Network()
	}
	return e
}
