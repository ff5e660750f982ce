package asynchttp

import (
	"time"

	"github.com/asyncio-go/asyncio"
)

// An alarm ends something after a time, unless it is set anew. Setting it
// costs next to nothing: the timer is left alone, and looks when it goes off
// whether it is due.
type alarm struct {
	loop  *asyncio.Loop
	ring  func()
	timer *asyncio.TimerHandle
	due   time.Duration // 0: it is off
}

// set makes it ring after d, or never when d is not positive.
func (a *alarm) set(d time.Duration) {
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

func (a *alarm) look() {
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

func (a *alarm) stop() { a.due = 0 }

// end is stop for good.
func (a *alarm) end() {
	a.due = 0
	if a.timer != nil {
		a.timer.Cancel()
		a.timer = nil
	}
}
