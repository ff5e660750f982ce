package h2

import (
	"time"

	"github.com/asyncio-go/asyncio"
)

// A lazyTimer calls a function after a time, unless it is set anew. Setting it
// costs next to nothing: the loop's timer is left alone, and looks when it goes
// off whether it is due.
type lazyTimer struct {
	loop  *asyncio.Loop
	ring  func()
	timer *asyncio.TimerHandle
	due   time.Duration // 0: it is off
}

// set makes it ring after d, or never when d is not positive.
func (t *lazyTimer) set(d time.Duration) {
	if d <= 0 {
		t.due = 0
		return
	}
	t.due = t.loop.Time() + d
	if t.timer != nil {
		if t.timer.When() <= t.due {
			return
		}
		t.timer.Cancel()
	}
	t.timer = t.loop.CallAt(t.due, t.look)
}

func (t *lazyTimer) look() {
	t.timer = nil
	switch {
	case t.due == 0:
	case t.due > t.loop.Time():
		t.timer = t.loop.CallAt(t.due, t.look)
	default:
		t.due = 0
		t.ring()
	}
}

// stop keeps it from ringing until it is set again.
func (t *lazyTimer) stop() { t.due = 0 }

// end is stop for good.
func (t *lazyTimer) end() {
	t.due = 0
	if t.timer != nil {
		t.timer.Cancel()
		t.timer = nil
	}
}
