package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A deadline ends waits at a time, as that of a net.Conn does: it stays until
// it is set anew. It follows the real clock, as all of net does.
type deadline struct {
	timer   *TimerHandle
	expired bool
}

// set makes the deadline t, at which expire is called; the zero time is never.
func (d *deadline) set(l *Loop, t time.Time, expire func()) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	reached := func() {
		d.expired = true
		expire()
	}
	left := untilOn(l, t)
	if left <= 0 {
		reached()
		return
	}
	d.timer = l.CallLater(left, reached)
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Cancel()
		d.timer = nil
	}
}

// untilOn returns how long it is to t, for a loop whose driver may know that better.
func untilOn(l *Loop, t time.Time) time.Duration {
	if c, ok := l.driver.(driver.DeadlineClock); ok {
		return c.Until(t)
	}
	return time.Until(t)
}
