package portable

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// listener is a listening socket. A goroutine accepts one connection, hands it
// over, and ends; Accept starts the next one. What nobody asks for stays in the
// system's backlog.
type listener struct {
	source
	ln   net.Listener
	node os.FileInfo // a unix socket's node in the file system, to remove; or nil
	gone chan struct{}

	// The loop's:
	busy  bool // there is a goroutine, or a result of it
	delay time.Duration

	mu   sync.Mutex // guards what follows
	done bool
	nc   net.Conn
	err  error
	shut bool
}

// After an error the next attempt is made a little later, and then later
// still: without descriptors an accept fails at once, and would again.
const (
	minDelay = 5 * time.Millisecond
	maxDelay = 200 * time.Millisecond
)

// Listen implements [driver.Driver]. The backlog is the system's most where
// [net] knows it; another one is set on Unix only. ReusePort gives
// [errors.ErrUnsupported] where there is none.
func (d *Driver) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	network, err := networkOf(spec.Addr)
	if err != nil {
		return nil, err
	}
	tcp, isTCP := spec.Addr.(*net.TCPAddr)
	if isTCP && tcp.IP.Equal(net.IPv6unspecified) && !spec.V6Only {
		network = "tcp" // which takes IPv4 as well
	}
	config := net.ListenConfig{KeepAlive: -1, Control: spec.Control}
	config.SetMultipathTCP(false)
	if spec.ReusePort && isTCP {
		config.Control = func(network, address string, c syscall.RawConn) error {
			if err := setReusePort(c); err != nil {
				return err
			}
			if spec.Control != nil {
				return spec.Control(network, address, c)
			}
			return nil
		}
	}
	address := spec.Addr.String()
	ln, err := config.Listen(context.Background(), network, address)
	if errors.Is(cause(err), syscall.EADDRINUSE) && !isTCP && removeDead("unix", address) {
		ln, err = config.Listen(context.Background(), network, address)
	}
	if err != nil {
		return nil, cause(err)
	}
	if spec.Backlog > 0 {
		if err := setBacklog(ln, spec.Backlog); err != nil {
			_ = ln.Close()
			return nil, err
		}
	}
	l := d.newListener(ln, h)
	if u, ok := ln.(*net.UnixListener); ok && address != "" && address[0] != '@' {
		u.SetUnlinkOnClose(false) // it would remove a node that another has put there since
		l.node, _ = os.Stat(address)
	}
	return l, nil
}

// removeDead removes a unix socket's node at which nobody is any more.
func removeDead(network, name string) bool {
	nc, err := net.Dial(network, name)
	if err == nil {
		_ = nc.Close()
		return false
	}
	if !errors.Is(cause(err), syscall.ECONNREFUSED) {
		return false
	}
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&os.ModeSocket != 0 && os.Remove(name) == nil
}

// FromListener makes a listener of an existing one, which belongs to the driver
// from then on. It is for the loop's goroutine.
func (d *Driver) FromListener(ln net.Listener, h driver.Handler) (driver.Listener, error) {
	if dl, ok := ln.(interface{ SetDeadline(time.Time) error }); ok {
		if err := usedUp(dl); err != nil {
			return nil, err
		}
	}
	return d.newListener(ln, h), nil
}

func (d *Driver) newListener(ln net.Listener, h driver.Handler) *listener {
	l := &listener{source: source{d: d, handler: h}, ln: ln, gone: make(chan struct{})}
	d.keep(l)
	l.fill()
	return l
}

// Accept implements [driver.Listener].
func (l *listener) Accept() (driver.Conn, error) {
	if l.closed {
		return nil, net.ErrClosed
	}
	nc, err := l.collect()
	if err != nil {
		l.delay = min(max(2*l.delay, minDelay), maxDelay)
		return nil, err
	}
	if nc == nil {
		l.fill()
		return nil, driver.ErrWouldBlock
	}
	l.delay = 0
	return l.d.fromConn(nc), nil
}

// collect takes what the goroutine has handed over, if anything.
func (l *listener) collect() (net.Conn, error) {
	if !l.busy {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		return nil, nil
	}
	nc, err := l.nc, l.err
	l.nc, l.err, l.done = nil, nil, false
	l.busy = false
	return nc, err
}

// fill starts a goroutine that accepts, unless there is one.
func (l *listener) fill() {
	if !l.busy {
		l.busy = true
		l.d.work.Go(l.acceptOnce)
	}
}

// acceptOnce runs on a goroutine of its own.
func (l *listener) acceptOnce() {
	if l.delay > 0 {
		select {
		case <-time.After(l.delay):
		case <-l.gone:
			return
		}
	}
	nc, err := l.ln.Accept()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shut {
		l.nc, l.err, l.done = nc, cause(err), true
		l.post(driver.Readable)
	} else if nc != nil {
		_ = nc.Close()
	}
}

// Close implements [driver.Listener]. It removes a unix socket's node, if it is
// still the one that Listen made.
func (l *listener) Close() error {
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	l.handler = nil
	l.d.forget(l)
	close(l.gone)
	l.mu.Lock()
	l.shut = true
	if l.nc != nil {
		_ = l.nc.Close()
	}
	l.mu.Unlock()
	if l.node != nil {
		name := l.ln.Addr().String()
		if now, err := os.Stat(name); err == nil && os.SameFile(now, l.node) {
			_ = os.Remove(name)
		}
	}
	return cause(l.ln.Close())
}

// Addr implements [driver.Listener].
func (l *listener) Addr() net.Addr { return l.ln.Addr() }

// SyscallConn implements [driver.Listener].
func (l *listener) SyscallConn() (syscall.RawConn, error) {
	if l.closed {
		return nil, net.ErrClosed
	}
	return rawConn(l.ln)
}
