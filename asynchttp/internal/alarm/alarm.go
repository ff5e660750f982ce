// Package alarm has a timer that is set anew very often and seldom rings: a
// connection's time limits.
package alarm

import (
	"time"

	"github.com/asyncio-go/asyncio"
)

// An Alarm ends something after a time, unless it is set anew. Setting it
// costs next to nothing: the loop's timer is left alone, and looks when it goes
// off whether it is due. It belongs to the loop's goroutine.
type Alarm struct {
	loop  *asyncio.Loop
	ring  func()
	timer *asyncio.TimerHandle
	due   time.Duration // 0: it is off
}

// New returns an alarm that calls ring on the loop. It is off.
func New(l *asyncio.Loop, ring func()) Alarm { return Alarm{loop: l, ring: ring} }

// Set makes it ring after d, or never when d is not positive.
func (a *Alarm) Set(d time.Duration) {
	if d <= 0 {
		a.due = 0
		return
	}
	a.due = a.loop.Time() + d
	if a.timer != nil && a.timer.When() <= a.due {
		return
	}
	if a.timer != nil {
		a.timer.Cancel()
	}
	a.timer = a.loop.CallAt(a.due, a.look)
}

func (a *Alarm) look() {
	a.timer = nil
	switch {
	case a.due == 0:
	case a.due > a.loop.Time():
		a.timer = a.loop.CallAt(a.due, a.look)
	default:
		a.due = 0
		a.ring()
	}
}

// Stop keeps it from ringing until it is set again.
func (a *Alarm) Stop() { a.due = 0 }

// End is Stop for good.
func (a *Alarm) End() {
	a.due = 0
	if a.timer != nil {
		a.timer.Cancel()
		a.timer = nil
	}
}
