package asynctest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A watcher notices what a test would not look at.
type watcher struct {
	t         testing.TB
	tasksLeft bool
	loop      atomic.Pointer[asyncio.Loop] // the test's; nil before the body begins

	mu   sync.Mutex // around what is told of stalls, on another goroutine
	over bool       // the test must not be told of anything any more
}

// watchStalls fails the test when its loop stands still, until stop is called.
func (w *watcher) watchStalls() (stop func()) {
	ignore := asyncio.NotifyIncidents(func(i asyncio.Incident) {
		if i.Kind != "stall" || i.Loop != w.loop.Load() {
			return
		}
		text := "is held"
		if c := i.Look.Culprit; c != nil {
			text = c.Doing + " at " + c.Place
			if c.Hint != "" {
				text += " (" + c.Hint + ")"
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			w.t.Errorf("asynctest: the loop stands still: %s", text)
		}
	})
	return func() {
		ignore()
		w.mu.Lock() // whoever tells of a stall has ended
		defer w.mu.Unlock()
		w.over = true
	}
}
