package asyncio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A tlsLayer is TLS over a socket. crypto/tls does the work, in the task that
// reads, over a private connection whose Read suspends that task and whose
// Write only queues. So crypto/tls never holds a lock for writing while a task
// is suspended, and the one for reading belongs to the one task that reads.
type tlsLayer struct {
	conn    *tls.Conn
	inner   *tlsSocket
	state   tls.ConnectionState // taken after the handshake: asking crypto/tls takes a lock
	reading bool                // a task is in read
}

// startTLS does a handshake over s, in the running task t. left is what was
// read of it already.
func startTLS(t *task, level context.Context, s *pullSocket, cfg *tls.Config, server bool, timeout time.Duration, left []byte) (*tlsLayer, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	layer := &tlsLayer{inner: &tlsSocket{tlsWire: tlsWire{sock: &s.socket}, pull: s, level: level, left: left}}
	layer.conn = overWire(layer.inner, cfg, server)
	s.setReadDeadline(time.Now().Add(timeout))
	defer s.setReadDeadline(time.Time{})
	// A context with an end of its own makes crypto/tls start a goroutine that
	// waits for it; here the read ends by itself.
	if err := layer.conn.HandshakeContext(context.WithoutCancel((*taskContext)(t))); err != nil {
		if s.rare.readBy.expired {
			return nil, fmt.Errorf("TLS handshake: %w", &TimeoutError{})
		}
		if e := unwrapTemporary(err); e != err {
			return nil, e
		}
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	layer.inner.level = nil
	layer.state = layer.conn.ConnectionState()
	return layer, nil
}

// eventLoop implements streamSource.
func (l *tlsLayer) eventLoop() *Loop { return l.inner.sock.loop }

// lost implements streamSource.
func (l *tlsLayer) lost() error { return l.inner.pull.lost() }

// read implements streamSource.
func (l *tlsLayer) read(_ *task, level context.Context, p []byte) (int, error) {
	if l.reading {
		return 0, ErrConcurrentRead // it would wait for a lock of crypto/tls, and all with it
	}
	l.reading = true
	l.inner.level = level
	n, err := l.conn.Read(p)
	l.inner.level = nil
	l.reading = false
	switch {
	case err == io.EOF && l.inner.ended:
		// The connection ended at the end of a record. crypto/tls takes that
		// for a proper end, but anybody on the way could have done it.
		err = ErrTruncated
	case err != nil:
		err = unwrapTemporary(err)
	}
	return n, err
}

// write never waits.
func (l *tlsLayer) write(bufs ...[]byte) (int, error) {
	if err := l.inner.sock.writable(); err != nil { // crypto/tls would say it in its own words
		return 0, err
	}
	return l.inner.send(l.conn, bufs...)
}

// tlsSocket is the private connection under crypto/tls.
type tlsSocket struct {
	tlsWire
	pull  *pullSocket
	level context.Context // what also ends a Read
	left  []byte          // what the stream had read before TLS began
	ended bool            // the descriptor is at its end
}

var _ net.Conn = (*tlsSocket)(nil)

func (c *tlsSocket) Read(p []byte) (int, error) {
	if len(c.left) > 0 {
		n := copy(p, c.left)
		c.left = c.left[n:]
		return n, nil
	}
	t, err := c.sock.loop.runningTask()
	if err != nil {
		return 0, err
	}
	n, err := c.pull.read(t, c.level, p)
	if err != nil && interruption(err) {
		// crypto/tls gives a connection up after an error, but for one that
		// says it is temporary.
		err = &temporaryError{err}
	}
	c.ended = err == io.EOF
	return n, err
}

// interruption reports whether err ended a wait, and the connection is as it was.
func interruption(err error) bool {
	return IsCancelled(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
