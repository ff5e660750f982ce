package asynctest

import (
	"sync/atomic"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A watcher notices what a test would not look at.
type watcher struct {
	t         testing.TB
	tasksLeft bool
	loop      atomic.Pointer[asyncio.Loop] // the test's; nil before the body begins
}

// watchStalls fails the test when its loop stands still, until stop is called.
func (w *watcher) watchStalls() (stop func()) {
	return asyncio.NotifyIncidents(func(i asyncio.Incident) {
		if i.Kind != "stall" || i.Loop != w.loop.Load() {
			return
		}
		doing, place := "is held", ""
		if c := i.Look.Culprit; c != nil {
			doing, place = c.Doing, " at "+c.Place
		}
		w.t.Errorf("asynctest: the loop stands still: %s%s", doing, place)
	})
}
