package asyncio

import "github.com/asyncio-go/asyncio/internal/driver"

// WithDriver makes a loop stand on d.
func WithDriver(d driver.Driver) Option {
	return option(func(o *config) { o.newDriver = func() (driver.Driver, error) { return d, nil } })
}

// NewDriver makes the driver that o chooses.
func NewDriver(o Option) (driver.Driver, error) {
	var c config
	o.applyLoop(&c)
	return c.newDriver()
}
