// Package portable is a driver on Go's net package and goroutines.
package portable

import (
	"errors"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Driver is the portable driver.
type Driver struct {
	sleeper driver.Sleeper
	epoch   time.Time
	kick    chan struct{}
	timer   *time.Timer
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver.
func New() (*Driver, error) {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Driver{epoch: time.Now(), kick: make(chan struct{}, 1), timer: t}, nil
}

func (d *Driver) Name() string       { return "portable" }
func (d *Driver) Now() time.Duration { return time.Since(d.epoch) }
func (d *Driver) Poll() error        { return nil }
func (d *Driver) Close() error       { return nil }

func (d *Driver) Park(until time.Duration, pending func() bool) error {
	d.sleeper.Announce()
	if !pending() {
		if until == driver.Forever {
			<-d.kick
		} else {
			d.timer.Reset(until - d.Now())
			select {
			case <-d.kick:
				d.timer.Stop()
			case <-d.timer.C:
			}
		}
	}
	d.sleeper.Awake()
	return nil
}

func (d *Driver) Wake() {
	if d.sleeper.Claim() {
		select {
		case d.kick <- struct{}{}:
		default:
		}
	}
}

func (d *Driver) Dial(driver.DialSpec, driver.Handler) (driver.Conn, error) {
	return nil, errors.ErrUnsupported
}

func (d *Driver) Listen(driver.ListenSpec, driver.Handler) (driver.Listener, error) {
	return nil, errors.ErrUnsupported
}
