package asynchttp

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// stream is what a connection needs of an [asyncio.Stream].
type stream interface {
	io.ReadWriteCloser
	Abort()
	AtEOF() bool
	StartTLS(ctx context.Context, cfg *tls.Config) error
	ConnectionState() *tls.ConnectionState
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	Conn() net.Conn
	SyscallConn() (syscall.RawConn, error)
}

// A conn is a connection of a Transport: to a host, or to its proxy. It
// carries one request at a time, or lies idle in the pool.
//
// It ends in one of two ways. Whoever uses it finds that it does not work and
// closes it; or somebody else ends it, who says why with fail: then who uses
// it gets that as the error of its Read or Write.
type conn struct {
	t    *Transport
	host *host
	s    stream
	br   *bufio.Reader // nil while it lies idle
	tls  *tls.ConnectionState

	multi  *multiplexed // it carries many requests at once; nil: one
	meter  headerMeter
	fresh  bool  // nothing of the response to this request has come
	cause  error // why it was ended by somebody else
	closed bool

	ioErr   error // what Read or Write has failed with first
	readErr error // what Read has failed with

	reused    bool
	idleSince time.Duration
	member    *list.Element // of all connections
	place     *list.Element // in the pool's list of idle connections
}

// Read is for the bufio.Reader.
func (c *conn) Read(p []byte) (int, error) {
	if c.cause != nil {
		return 0, c.cause
	}
	if c.readErr != nil { // the buffer, which has given it, knows it no more
		return 0, c.readErr
	}
	n, err := c.read(p)
	c.readErr = c.failed(err)
	return n, c.readErr
}

func (c *conn) read(p []byte) (int, error) {
	n := c.meter.allow(len(p))
	if n == 0 && len(p) > 0 {
		return 0, ErrHeaderTooLarge
	}
	n, err := c.s.Read(p[:n])
	if n > 0 {
		c.fresh = false
		if err := c.meter.take(p[:n]); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Write is for requests and their bodies.
func (c *conn) Write(p []byte) (int, error) {
	if c.cause != nil {
		return 0, c.cause
	}
	n, err := c.s.Write(p)
	return n, c.failed(err)
}

// failed notes an error of the connection.
func (c *conn) failed(err error) error {
	if err == nil {
		return nil
	}
	if c.cause != nil {
		err = c.cause
	}
	if c.ioErr == nil {
		c.ioErr = err
	}
	return err
}

// fail ends the connection: whoever waits for it gets cause.
func (c *conn) fail(cause error) {
	if c.closed || c.cause != nil {
		return
	}
	c.cause = cause
	if c.multi != nil {
		c.multi.h2.Close(cause)
		return
	}
	c.s.Abort()
}

// watch makes the end of ctx end the connection, until stop is called.
func (c *conn) watch(ctx context.Context) (stop func()) {
	return hook.WhenDone(c.t.loop, ctx, func() { c.fail(ctx.Err()) })
}

// close lets go of the connection and gives its place to the next. It waits
// for nothing.
func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.t.pool.all.Remove(c.member)
	switch {
	case c.multi != nil:
		c.multi.h2.Close(h2.ErrClosed)
	case c.cause != nil || c.ioErr != nil:
		c.s.Abort()
	default:
		c.s.Close()
	}
	c.unbuffer()
	c.t.release(c.host)
}

// gone reports whether the connection cannot carry another request.
func (c *conn) gone() bool { return c.closed || c.cause != nil || c.ioErr != nil }

// shortIdle is how long a connection may lie idle and be taken without a look.
// Looking costs a system call, and a request that is lost is sent again.
const shortIdle = 100 * time.Millisecond

// stale reports whether an idle connection was closed by the server meanwhile, or
// has got data that nobody asked for. A server may close it in this moment.
// careful is for requests that cannot be sent again.
func (c *conn) stale(careful bool) bool {
	if c.gone() || c.s.AtEOF() {
		return true
	}
	if !careful && c.t.loop.Time()-c.idleSince < shortIdle {
		return false
	}
	raw, err := c.s.SyscallConn()
	if err != nil {
		return true
	}
	ended, data := peeked(raw)
	// Over TLS data may be a session ticket.
	return ended || data && c.tls == nil && c.host.key.scheme == "http"
}

// buffer gives the connection a reader.
func (c *conn) buffer() {
	if c.br != nil {
		return
	}
	t := c.t
	if n := len(t.readers); n > 0 {
		c.br = t.readers[n-1]
		t.readers[n-1] = nil
		t.readers = t.readers[:n-1]
		c.br.Reset(c)
		return
	}
	c.br = bufio.NewReaderSize(c, orDefault(t.ReadBufferSize, 4096))
}

// unbuffer takes the reader away for other connections: an idle one has none.
func (c *conn) unbuffer() {
	if c.br == nil {
		return
	}
	if len(c.t.readers) < 64 {
		c.br.Reset(nil)
		c.t.readers = append(c.t.readers, c.br)
	}
	c.br = nil
}
