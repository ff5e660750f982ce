package virtual

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Over is a virtual clock for a driver that has descriptors. While none is
// open, it leaps as the clock of [Driver] does. While one is, nobody can know
// what is still to come from there, and the clock goes with the real one
// whenever the loop waits.
type Over struct {
	inner driver.Driver
	now   time.Duration

	// Outside is as in [Driver].
	Outside func() bool
}

var _ driver.Clock = (*Over)(nil)

// NewOver makes a clock that shows zero.
func NewOver(inner driver.Driver) *Over {
	return &Over{inner: inner, Outside: func() bool { return false }}
}

// Now implements [driver.Clock].
func (o *Over) Now() time.Duration { return o.now }

// Park implements [driver.Clock].
func (o *Over) Park(until time.Duration, pending func() bool) error {
	switch {
	case o.Outside():
		return o.inner.Park(driver.Forever, func() bool { return pending() || !o.Outside() })
	case o.inner.Handles() > 0:
		return o.parkInRealTime(until, pending)
	}
	err := o.inner.Poll()
	switch {
	case err != nil:
	case pending():
	case until == driver.Forever:
		return driver.ErrIdle
	default:
		o.now = max(o.now, until)
	}
	return err
}

func (o *Over) parkInRealTime(until time.Duration, pending func() bool) error {
	began := o.inner.Now()
	limit := driver.Forever
	if until < driver.Forever-began {
		limit = began + until - o.now
	}
	err := o.inner.Park(limit, pending)
	o.now = min(o.now+o.inner.Now()-began, max(o.now, until))
	return err
}
