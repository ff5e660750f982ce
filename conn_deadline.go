package asyncio

import "time"

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
	left := time.Until(t)
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
