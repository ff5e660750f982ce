package portable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// conn is a connection. All but what reader and writer say is the loop's.
type conn struct {
	source
	in  reader
	out writer

	dial          *dialing // until the connection is made
	nc            net.Conn // nil before
	failed        error    // how connecting failed
	local, remote net.Addr
	reset         bool
	foreign       bool // not one of net's own: its Close may wait
}

// FromConn makes a connection of an existing one, which belongs to the driver
// from then on. It is for the loop's goroutine; nothing is read before Start.
// While a read is awaited from one that is neither a [net.TCPConn] nor a
// [net.UnixConn] a buffer of 4 KiB is held, as these alone can be waited for
// without one. It takes any connection that is not closed.
func (d *Driver) FromConn(nc net.Conn) (driver.Conn, error) {
	if err := usedUp(nc); err != nil {
		return nil, err
	}
	return d.fromConn(nc), nil
}

func (d *Driver) fromConn(nc net.Conn) *conn {
	c := &conn{source: source{d: d}}
	c.adopt(nc)
	d.keep(c)
	return c
}

// adopt sets the connection that this one is about.
func (c *conn) adopt(nc net.Conn) {
	c.nc = nc
	c.local, c.remote = nc.LocalAddr(), nc.RemoteAddr()
	// Others may have read ahead: that their descriptor has nothing to read
	// does not say that they have.
	switch nc := nc.(type) {
	case *net.TCPConn:
		c.in.raw, _ = nc.SyscallConn()
	case *net.UnixConn:
		c.in.raw, _ = nc.SyscallConn()
	default:
		c.foreign = true
	}
}

// Start implements [driver.Conn].
func (c *conn) Start(h driver.Handler) error {
	if c.closed {
		return net.ErrClosed
	}
	c.handler = h
	if c.missed != 0 {
		c.post(c.missed)
		c.missed = 0
	}
	if f, ok := c.nc.(fileConn); !ok {
		c.fill()
	} else if f.writeOnly {
		c.watchReader(f)
	}
	return nil
}

// usable reports whether the connection is there: [driver.ErrWouldBlock] while it
// is being made.
func (c *conn) usable() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.nc != nil:
		return nil
	default:
		return c.ConnectError()
	}
}

var errNoShutdown = fmt.Errorf("shutdown: the connection cannot be closed by halves: %w", errors.ErrUnsupported)

// Close implements [driver.Conn]. What Write has taken is sent in the
// background, for a bounded time; see [Driver.Linger].
func (c *conn) Close() error {
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.handler = nil
	c.d.forget(c)
	if c.nc == nil {
		c.dial.abandon()
		return nil
	}
	if !c.reset && c.closeAfterWriting() {
		_ = c.nc.SetReadDeadline(longAgo) // what comes now is for nobody
		return nil
	}
	if c.foreign {
		c.d.work.Go(func() { _ = c.nc.Close() })
		return nil
	}
	return cause(c.nc.Close())
}

var longAgo = time.Unix(1, 0)

// Reset implements [driver.Conn].
func (c *conn) Reset() {
	if c.usable() == nil {
		c.reset = true
		c.setLinger(0)
	}
}

func (c *conn) setLinger(seconds int) {
	if l, ok := c.nc.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(seconds) // where there is none, closing drops all anyway
	}
}

// Discard implements [driver.Conn]. On Windows it is only what the goroutine
// that reads has got that is read away.
func (c *conn) Discard(buf []byte) {
	if c.usable() == nil && c.in.raw != nil {
		_ = c.in.raw.Control(func(fd uintptr) { discard(fd, buf) })
	}
}

// LocalAddr implements [driver.Conn].
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements [driver.Conn].
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SyscallConn implements [driver.Conn].
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if err := c.usable(); err == driver.ErrWouldBlock {
		return nil, fmt.Errorf("syscall conn: %w", syscall.ENOTCONN)
	} else if err != nil {
		return nil, err
	}
	return rawConn(c.nc)
}

func rawConn(of any) (syscall.RawConn, error) {
	if s, ok := of.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, fmt.Errorf("syscall conn of %T: %w", of, errors.ErrUnsupported)
}

// dialing is a connection that is being made. mu guards all but cancel.
type dialing struct {
	cancel    context.CancelFunc
	mu        sync.Mutex
	nc        net.Conn
	err       error
	done      bool
	abandoned bool
}

// Dial implements [driver.Driver]. spec.Control is called on a goroutine of its
// own.
func (d *Driver) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	network, err := networkOf(spec.Remote)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{LocalAddr: spec.Local, Control: spec.Control, KeepAlive: -1}
	dialer.SetMultipathTCP(false)

	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{source: source{d: d, handler: h}, remote: spec.Remote, dial: &dialing{cancel: cancel}}
	d.keep(c)
	d.work.Go(func() {
		nc, err := connect(ctx, &dialer, network, spec.Remote.String())
		c.dial.end(c, nc, err)
	})
	return c, nil
}

// connect tries again while a unix listener's backlog is full: the system says
// so at once instead of waiting, as it does for TCP.
func connect(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	for delay := time.Millisecond; ; delay = min(2*delay, 100*time.Millisecond) {
		nc, err := dialer.DialContext(ctx, network, address)
		if network != "unix" || !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// end hands over how it went, or closes the connection that nobody wants.
func (a *dialing) end(c *conn, nc net.Conn, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.abandoned:
		a.nc, a.err, a.done = nc, cause(err), true
		if err != nil {
			c.post(driver.Writable | driver.Hangup)
		} else {
			c.post(driver.Writable)
		}
	case nc != nil:
		_ = nc.Close()
	}
}

func (a *dialing) abandon() {
	a.cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abandoned = true
	if a.nc != nil {
		_ = a.nc.Close()
	}
}

// ConnectError implements [driver.Conn].
func (c *conn) ConnectError() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.failed != nil:
		return c.failed
	case c.nc != nil:
		return nil
	}
	a := c.dial
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		return driver.ErrWouldBlock
	}
	a.cancel()
	if c.failed = a.err; c.failed != nil {
		return c.failed
	}
	c.adopt(a.nc)
	c.dial = nil
	c.fill()
	return nil
}

// networkOf returns the network that serves addr's family and no other.
func networkOf(addr net.Addr) (string, error) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		switch {
		case a.IP == nil:
			return "tcp", nil
		case a.IP.To4() != nil:
			return "tcp4", nil
		default:
			return "tcp6", nil
		}
	case *net.UnixAddr:
		return "unix", nil
	case nil:
		return "", &net.AddrError{Err: "missing address"}
	}
	return "", net.UnknownNetworkError(addr.Network())
}

// cause takes off what net wraps around an error, which repeats what the layers
// above say.
func cause(err error) error {
	switch e := err.(type) {
	case *net.OpError:
		err = e.Err
	case *fs.PathError:
		if e.Err == os.ErrClosed {
			return net.ErrClosed
		}
		err = os.NewSyscallError(e.Op, e.Err)
	}
	return systemError(err)
}
