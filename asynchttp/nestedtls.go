package asynchttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/asyncio-go/asyncio"
)

// nestedTLS is TLS inside the TLS of a stream: a connection to an https host
// over an https proxy.
//
// crypto/tls holds a mutex while it writes. So what it writes goes to the
// stream's queue without ever being held up; who writes is held up after that.
type nestedTLS struct {
	*asyncio.Stream
	conn  *tls.Conn
	state tls.ConnectionState
}

var _ stream = (*nestedTLS)(nil)

// startNestedTLS does the inner handshake.
func startNestedTLS(ctx context.Context, s *asyncio.Stream, cfg *tls.Config) (*nestedTLS, error) {
	n := &nestedTLS{Stream: s}
	inner := &nestedConn{Conn: s.Conn(), s: s, ctx: ctx}
	n.conn = tls.Client(inner, cfg)
	// The reads end with ctx by themselves; crypto/tls would start a goroutine.
	err := n.conn.HandshakeContext(context.WithoutCancel(ctx))
	inner.ctx = nil
	if err != nil {
		return nil, err
	}
	n.state = n.conn.ConnectionState()
	return n, nil
}

func (n *nestedTLS) Read(p []byte) (int, error) { return n.conn.Read(p) }

func (n *nestedTLS) Write(p []byte) (int, error) {
	w, err := n.conn.Write(p)
	if err != nil {
		return w, err
	}
	return w, holdUp(n.Stream)
}

func (n *nestedTLS) ConnectionState() *tls.ConnectionState { return &n.state }

func (n *nestedTLS) StartTLS(context.Context, *tls.Config) error {
	return errors.New("asynchttp: TLS in TLS in TLS")
}

// nestedConn is what crypto/tls reads from and writes to.
type nestedConn struct {
	net.Conn
	s   *asyncio.Stream
	ctx context.Context // during the handshake
}

func (c *nestedConn) Read(p []byte) (int, error) {
	if c.ctx != nil {
		return c.s.ReadContext(c.ctx, p)
	}
	return c.s.Read(p)
}

func (c *nestedConn) Write(p []byte) (int, error) {
	const boundless = int(^uint(0) >> 1)
	c.s.SetWriteBufferLimits(0, boundless)
	return c.s.Write(p)
}

// Close is never what ends the connection: the stream does.
func (c *nestedConn) Close() error                     { return nil }
func (c *nestedConn) SetWriteDeadline(time.Time) error { return nil }

// holdUp suspends the running task while too much is queued.
func holdUp(s *asyncio.Stream) error {
	s.SetWriteBufferLimits(-1, -1)
	task := s.Loop().CurrentTask()
	if task == nil {
		return nil
	}
	return s.Drain(task.Context())
}
