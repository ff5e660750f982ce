package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/heap"
)

// A Handle is a callback that was given to the loop. Python: Handle.
type Handle struct {
	fn func() // nil: cancelled
}

// Cancel makes the loop pass the callback over, and lets go of what it holds.
// It may be called more than once, and after the callback has run. For the
// loop's goroutine. Python: Handle.cancel.
func (h *Handle) Cancel() { h.fn = nil }

// Cancelled says whether Cancel was called. Python: Handle.cancelled.
func (h *Handle) Cancelled() bool { return h.fn == nil }

func (h *Handle) run() {
	if h.fn != nil {
		h.fn()
	}
}

// newHandle makes a handle. It costs the one allocation of a callback.
func newHandle(fn func()) *Handle {
	if fn == nil {
		panic("asyncio: the callback is nil")
	}
	return &Handle{fn}
}

// A TimerHandle is a callback that runs at a given time. Python: TimerHandle.
type TimerHandle struct {
	Handle
	loop *Loop
	when time.Duration
	node heap.Node[runnable]
}

// When gives the time it is due, on the clock of [Loop.Time]. Python:
// TimerHandle.when.
func (h *TimerHandle) When() time.Duration { return h.when }

// Cancel takes the callback out of the loop's timers, at the cost of a few
// comparisons. It may be called more than once, and after the callback has
// run. For the loop's goroutine. Python: TimerHandle.cancel.
func (h *TimerHandle) Cancel() {
	h.Handle.Cancel()
	h.loop.timers.Remove(&h.node)
}
