package asyncio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A faultyDriver refuses one kind of call, from the n-th on, and counts what is
// open and how often was written.
type faultyDriver struct {
	driver.Driver
	refused string
	n       int
	open    int
	writes  int // system calls
}

var errFault = errors.New("the driver refuses")

func (d *faultyDriver) check(call string) error {
	if call != d.refused {
		return nil
	}
	if d.n--; d.n >= 0 {
		return nil
	}
	return errFault
}

func (d *faultyDriver) conn(c driver.Conn, err error) (driver.Conn, error) {
	if err != nil {
		return nil, err
	}
	d.open++
	return &faultyConn{Conn: c, d: d}, nil
}

func (d *faultyDriver) listener(l driver.Listener, err error) (driver.Listener, error) {
	if err != nil {
		return nil, err
	}
	d.open++
	return &faultyListener{Listener: l, d: d}, nil
}

func (d *faultyDriver) packet(c driver.PacketConn, err error) (driver.PacketConn, error) {
	if err != nil {
		return nil, err
	}
	d.open++
	return &faultyPacket{PacketConn: c, d: d}, nil
}

func (d *faultyDriver) raw(of func() (syscall.RawConn, error)) (syscall.RawConn, error) {
	if err := d.check("SyscallConn"); err != nil {
		return nil, err
	}
	raw, err := of()
	return &faultyRaw{raw, d}, err
}

func (d *faultyDriver) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	if err := d.check("Dial"); err != nil {
		return nil, err
	}
	return d.conn(d.Driver.Dial(spec, h))
}

func (d *faultyDriver) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	if err := d.check("Listen"); err != nil {
		return nil, err
	}
	return d.listener(d.Driver.Listen(spec, h))
}

func (d *faultyDriver) OpenFile(f *os.File) (driver.Conn, error) {
	if err := d.check("OpenFile"); err != nil {
		f.Close()
		return nil, err
	}
	return d.conn(d.Driver.OpenFile(f))
}

func (d *faultyDriver) FromConn(nc net.Conn) (driver.Conn, error) {
	if err := d.check("FromConn"); err != nil {
		nc.Close()
		return nil, err
	}
	return d.conn(d.Driver.FromConn(nc))
}

func (d *faultyDriver) FromListener(ln net.Listener, h driver.Handler) (driver.Listener, error) {
	if err := d.check("FromListener"); err != nil {
		ln.Close()
		return nil, err
	}
	return d.listener(d.Driver.FromListener(ln, h))
}

func (d *faultyDriver) OpenPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	if err := d.check("OpenPacket"); err != nil {
		return nil, err
	}
	return d.packet(d.Driver.OpenPacket(spec, h))
}

func (d *faultyDriver) FromPacket(pc net.PacketConn, h driver.Handler) (driver.PacketConn, error) {
	if err := d.check("FromPacket"); err != nil {
		pc.Close()
		return nil, err
	}
	return d.packet(d.Driver.FromPacket(pc, h))
}

type faultyConn struct {
	driver.Conn
	d      *faultyDriver
	closed bool
}

func (c *faultyConn) Start(h driver.Handler) error {
	if err := c.d.check("Start"); err != nil {
		return err
	}
	return c.Conn.Start(h)
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.d.writes++
	if err := c.d.check("Write"); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *faultyConn) Writev(p [][]byte) (int, error) {
	c.d.writes++
	if err := c.d.check("Write"); err != nil {
		return 0, err
	}
	return c.Conn.Writev(p)
}

func (c *faultyConn) CloseWrite() error {
	if err := c.d.check("CloseWrite"); err != nil {
		return err
	}
	return c.Conn.CloseWrite()
}

func (c *faultyConn) SyscallConn() (syscall.RawConn, error) { return c.d.raw(c.Conn.SyscallConn) }

func (c *faultyConn) Close() error {
	if !c.closed {
		c.closed = true
		c.d.open--
	}
	return c.Conn.Close()
}

type faultyListener struct {
	driver.Listener
	d      *faultyDriver
	closed bool
}

func (l *faultyListener) Accept() (driver.Conn, error) { return l.d.conn(l.Listener.Accept()) }

func (l *faultyListener) Close() error {
	if !l.closed {
		l.closed = true
		l.d.open--
	}
	return l.Listener.Close()
}

type faultyPacket struct {
	driver.PacketConn
	d      *faultyDriver
	closed bool
}

func (p *faultyPacket) SyscallConn() (syscall.RawConn, error) {
	return p.d.raw(p.PacketConn.SyscallConn)
}

func (p *faultyPacket) Close() error {
	if !p.closed {
		p.closed = true
		p.d.open--
	}
	return p.PacketConn.Close()
}

type faultyRaw struct {
	syscall.RawConn
	d *faultyDriver
}

func (r *faultyRaw) Control(f func(uintptr)) error {
	if err := r.d.check("Control"); err != nil {
		return err
	}
	return r.RawConn.Control(f)
}

// onFaultyDrivers runs body on each driver, with faults that it chooses.
func onFaultyDrivers(t *testing.T, body func(t *testing.T, ctx context.Context, d *faultyDriver)) {
	t.Helper()
	for name, o := range drivers() {
		t.Run(name, func(t *testing.T) {
			d := &faultyDriver{Driver: must(asyncio.NewDriver(o))}
			runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) { body(t, ctx, d) })
		})
	}
}
