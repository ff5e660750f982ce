// Package virtual is a driver with a clock that stands still while anything
// can run and leaps to the next timer when nothing can. It has no descriptors.
//
// It waits on a channel, so that it also works inside a testing/synctest
// bubble.
package virtual

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Driver is the virtual clock.
type Driver struct {
	sleeper driver.Sleeper
	now     time.Duration
	kick    chan struct{}

	// Outside reports whether somebody outside the loop is at work whose result
	// will come in by Wake. While that is so, the clock waits for them.
	Outside func() bool
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver whose clock shows zero.
func New() *Driver {
	return &Driver{kick: make(chan struct{}, 1), Outside: func() bool { return false }}
}

func (d *Driver) Name() string       { return "virtual" }
func (d *Driver) Now() time.Duration { return d.now }
func (d *Driver) Poll() error        { return nil }
func (d *Driver) Handles() int       { return 0 }
func (d *Driver) Close() error       { return nil }

// Park moves the clock to until. While somebody is at work outside, it waits
// for them instead; with nobody there and nothing to wait for, it returns
// [driver.ErrIdle].
func (d *Driver) Park(until time.Duration, pending func() bool) error {
	if !d.Outside() {
		switch {
		case pending():
		case until == driver.Forever:
			return driver.ErrIdle
		default:
			d.now = max(d.now, until)
		}
		return nil
	}
	d.sleeper.Announce()
	if !pending() && d.Outside() {
		<-d.kick // one that was late for an earlier wait costs a turn
	}
	d.sleeper.Awake()
	return nil
}

// Wake implements [driver.Driver].
func (d *Driver) Wake() {
	if d.sleeper.Claim() {
		select {
		case d.kick <- struct{}{}:
		default:
		}
	}
}

// ErrNoNetwork says that a loop on the virtual clock has no sockets.
var ErrNoNetwork = fmt.Errorf("the virtual clock has no network: %w", errors.ErrUnsupported)

func (d *Driver) Dial(driver.DialSpec, driver.Handler) (driver.Conn, error) {
	return nil, ErrNoNetwork
}

func (d *Driver) Listen(driver.ListenSpec, driver.Handler) (driver.Listener, error) {
	return nil, ErrNoNetwork
}

func (d *Driver) OpenFile(f *os.File) (driver.Conn, error) {
	_ = f.Close()
	return nil, ErrNoNetwork
}

func (d *Driver) FromConn(nc net.Conn) (driver.Conn, error) {
	_ = nc.Close()
	return nil, ErrNoNetwork
}

func (d *Driver) FromListener(ln net.Listener, _ driver.Handler) (driver.Listener, error) {
	_ = ln.Close()
	return nil, ErrNoNetwork
}

func (d *Driver) OpenPacket(driver.PacketSpec, driver.Handler) (driver.PacketConn, error) {
	return nil, ErrNoNetwork
}

func (d *Driver) FromPacket(pc net.PacketConn, _ driver.Handler) (driver.PacketConn, error) {
	_ = pc.Close()
	return nil, ErrNoNetwork
}
