package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/heap"
)

// A Handle is a callback that was given to the loop. Python: Handle.
type Handle struct {
	fn func() // nil: cancelled; ran: it has run
}

// Cancel makes the loop pass the callback over, and lets go of what it holds.
// It may be called more than once, and after the callback has run. For the
// loop's goroutine. Python: Handle.cancel.
func (h *Handle) Cancel() { h.fn = nil }

// Cancelled reports whether Cancel was called. Python: Handle.cancelled.
func (h *Handle) Cancelled() bool { return h.fn == nil }

func (h *Handle) run() {
	if fn := h.fn; fn != nil {
		h.fn = ran
		fn()
	}
}

// ran takes the place of a callback that has run. A handle may be kept for long,
// and those made together with it; what they have called must not be.
func ran() {}

// newHandle makes a handle.
func newHandle(fn func()) *Handle {
	if fn == nil {
		panic("asyncio: the callback is nil")
	}
	return &Handle{fn}
}

// handlesAtOnce is how many handles [Loop.CallSoon] makes together. An allocation
// for each would be a fifth of what a short callback costs, and of many that wait
// the garbage collector would have to find each. One that is kept keeps all of
// them: 256 bytes.
const handlesAtOnce = 32

// newHandle is newHandle for the loop's goroutine.
func (l *Loop) newHandle(fn func()) *Handle {
	if len(l.handles) == 0 {
		l.handles = make([]Handle, handlesAtOnce)
	}
	h := &l.handles[0]
	l.handles = l.handles[1:]
	*h = *newHandle(fn)
	return h
}

// A TimerHandle is a callback that runs at a given time. Python: TimerHandle.
type TimerHandle struct {
	Handle
	loop *Loop
	when time.Duration
	node heap.Node[runnable]
}

// When returns the time it is due, on the clock of [Loop.Time]. Python:
// TimerHandle.when.
func (h *TimerHandle) When() time.Duration { return h.when }

// Cancel takes the callback out of the loop's timers, at the cost of a few
// comparisons. It may be called more than once, and after the callback has
// run. For the loop's goroutine. Python: TimerHandle.cancel.
func (h *TimerHandle) Cancel() {
	h.Handle.Cancel()
	h.loop.timers.Remove(&h.node)
}
