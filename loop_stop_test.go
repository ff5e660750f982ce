package asyncio_test

import (
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A run that was stopped before it began does not wait for anything, also when
// nothing is ready and nothing is due.
func TestStopBeforeARunWithNothingToDoEndsIt(t *testing.T) {
	opts := drivers()
	opts["virtual"] = asyncio.WithVirtualClock()
	for name, driver := range opts {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, optionList(driver)...)
			l.Stop()
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
			if l.IsRunning() {
				t.Error("it still runs")
			}
		})
	}
}
