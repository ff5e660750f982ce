package sim

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
)

// An Event is what happens at a time of a [Timeline].
type Event interface{ Happen() }

// EventFunc is a function as an event.
type EventFunc func()

// Happen implements [Event].
func (f EventFunc) Happen() { f() }

// A Timeline is the time of a world, and what is still to happen in it. The zero
// value begins at zero.
type Timeline struct {
	now    time.Duration
	events heap.Heap[Event]
	over   bool
}

// Now returns the time since the world began.
func (t *Timeline) Now() time.Duration { return t.now }

// At makes e happen at a time, or now when that has passed; what is due at the same
// time happens in the order in which it was given.
func (t *Timeline) At(when time.Duration, e Event) { t.schedule(when, &heap.Node[Event]{Value: e}) }

// schedule is At with a node of the caller's.
func (t *Timeline) schedule(when time.Duration, n *heap.Node[Event]) {
	if !t.over {
		t.events.Push(n, int64(max(when, t.now)))
	}
}

// Next returns when the next event is due, or [driver.Forever].
func (t *Timeline) Next() time.Duration {
	if when, ok := t.events.First(); ok {
		return time.Duration(when)
	}
	return driver.Forever
}

// Reach lets the clock show a time that is not after the next event, and lets the
// events happen that are due then.
func (t *Timeline) Reach(when time.Duration) (happened int) {
	t.now = max(t.now, when)
	for due, ok := t.events.First(); ok && time.Duration(due) <= t.now; due, ok = t.events.First() {
		t.events.Pop().Value.Happen()
		happened++
	}
	return happened
}

// End makes nothing happen any more.
func (t *Timeline) End() { t.over, t.events = true, heap.Heap[Event]{} }
