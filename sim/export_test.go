package sim

import (
	"io"
	"testing"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Complaints sets where the watchdog writes.
func Complaints(w io.Writer) Option { return option(func(c *config) { c.complaints = w }) }

// RunInBubble is Run with each world in a bubble, as those of Test are.
func RunInBubble(t *testing.T, fn func(w *World), opts ...Option) *Report {
	c := newConfig(opts)
	c.inBubbles(t)
	return c.runAll(fn)
}

// BreakRecording makes the file of a recorded driver one that cannot be written.
func BreakRecording(d driver.Driver) error { return d.(*flight).file.Close() }
