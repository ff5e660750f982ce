package sim

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// defaultBacklog is how many connections may wait to be accepted.
const defaultBacklog = 4096

// A listener waits for connections.
type listener struct {
	handle
	addr    net.Addr
	at      netip.AddrPort // not of a unix socket
	node    any            // of a unix socket
	v6only  bool
	shared  bool
	backlog int
	waiting []*conn
}

// Listen implements [driver.Driver].
func (d *Driver) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	l := &listener{shared: spec.ReusePort, v6only: spec.V6Only, backlog: spec.Backlog}
	if l.backlog <= 0 {
		l.backlog = defaultBacklog
	}
	if err := d.mayOpen("socket"); err != nil {
		return nil, err
	}
	switch a := spec.Addr.(type) {
	case *net.UnixAddr:
		if err := control(spec.Control, "unix", a); err != nil {
			return nil, err
		}
		var err error
		if l.node, err = d.bindUnix(a.Name, l); err != nil {
			return nil, err
		}
		l.addr = &net.UnixAddr{Name: a.Name, Net: "unix"}
		d.add(&l.handle, l, h)
		return l, nil
	case *net.TCPAddr:
	default:
		return nil, net.UnknownNetworkError("of a listener")
	}
	at, err := endpointOf(spec.Addr)
	if err != nil {
		return nil, err
	}
	if err := control(spec.Control, family("tcp", at.Addr()), net.TCPAddrFromAddrPort(at)); err != nil {
		return nil, err
	}
	if at, err = d.bind(at, l); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	l.at, l.addr = at, net.TCPAddrFromAddrPort(at)
	d.listeners[at.Port()] = append(d.listeners[at.Port()], l)
	d.add(&l.handle, l, h)
	return l, nil
}

// bind returns where a listener is to be, with a port.
func (d *kernel) bind(at netip.AddrPort, l *listener) (netip.AddrPort, error) {
	if !d.machine.has(at.Addr()) {
		return at, syscall.EADDRNOTAVAIL
	}
	if at.Port() == 0 {
		port, err := d.ephemeral()
		return netip.AddrPortFrom(at.Addr(), port), err
	}
	for _, other := range d.listeners[at.Port()] {
		if !(l.shared && other.shared) && (other.covers(at.Addr()) || at.Addr() == netip.IPv6Unspecified() && !l.v6only || at.Addr() == netip.IPv4Unspecified() && other.at.Addr().Is4()) {
			return at, syscall.EADDRINUSE
		}
	}
	return at, nil
}

// covers reports whether the listener takes connections to an address.
func (l *listener) covers(ip netip.Addr) bool { return covers(l.at.Addr(), l.v6only, ip) }

// covers reports whether a socket that is bound to own has to do with another address.
func covers(own netip.Addr, v6only bool, ip netip.Addr) bool {
	switch own {
	case netip.IPv6Unspecified():
		return ip.Is6() || !v6only
	case netip.IPv4Unspecified():
		return ip.Is4()
	default:
		return own == ip
	}
}

// listenerFor returns who takes a connection; nil: nobody.
func (d *kernel) listenerFor(to netip.AddrPort) *listener {
	var found []*listener
	for _, l := range d.listeners[to.Port()] {
		if l.covers(to.Addr()) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return found[0]
	}
	return found[d.net.world.Pick(len(found))]
}

// queue has a connection wait to be accepted.
func (l *listener) queue(c *conn) {
	c.backlogged = true
	l.d.addConn(c, nil)
	l.waiting = append(l.waiting, c)
	l.tell(driver.Readable)
}

// Accept implements [driver.Listener].
func (l *listener) Accept() (driver.Conn, error) {
	switch {
	case l.closed:
		return nil, net.ErrClosed
	case len(l.waiting) == 0:
		return nil, driver.ErrWouldBlock
	}
	if err := l.d.mayOpen("accept"); err != nil {
		return nil, err
	}
	c := l.waiting[0]
	c.backlogged = false
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	if len(l.waiting) > 0 {
		l.tell(driver.Readable)
	}
	return c, nil
}

// Close implements [driver.Listener]. Connections that wait to be accepted are reset.
func (l *listener) Close() error {
	if err := l.shut(); err != nil {
		return err
	}
	if a, ok := l.addr.(*net.UnixAddr); ok {
		l.d.unbindUnix(a.Name, l.node)
	} else {
		port := l.at.Port()
		left := slices.DeleteFunc(l.d.listeners[port], func(o *listener) bool { return o == l })
		if l.d.listeners[port] = left; len(left) == 0 {
			delete(l.d.listeners, port)
		}
	}
	var errs []error
	for _, c := range l.waiting {
		c.Reset()
		errs = append(errs, c.Close())
	}
	l.waiting = nil
	return errors.Join(errs...)
}

// Addr implements [driver.Listener].
func (l *listener) Addr() net.Addr { return l.addr }
