package asyncio

import (
	"os"
	"time"
)

// A deadline ends waits at a time, as that of a net.Conn does: it stays until
// it is set anew. It follows the real clock, as all of net does.
type deadline struct {
	timer   *TimerHandle
	expired bool
	task    *task // that waits, and is to be interrupted
	number  uint32
}

// set makes the deadline t; the zero time is never.
func (d *deadline) set(l *Loop, t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expire()
		return
	}
	d.timer = l.CallLater(left, d.expire)
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Cancel()
		d.timer = nil
	}
}

func (d *deadline) expire() {
	d.expired = true
	if d.task != nil {
		d.task.interrupt(d.number, os.ErrDeadlineExceeded)
	}
}

// arm makes the deadline interrupt the next wait of t, until disarm.
func (d *deadline) arm(t *task) { d.task, d.number = t, t.waits+1 }

func (d *deadline) disarm() { d.task = nil }
