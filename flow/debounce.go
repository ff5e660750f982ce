package flow

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Debounce calls a function once for many calls: when there was none for some time.
type Debounce struct {
	quiet time.Duration
	fn    func()
	timer *asyncio.TimerHandle
}

// NewDebounce makes a Debounce that calls fn, as a callback of the loop, when it was not
// called for that long.
func NewDebounce(quiet time.Duration, fn func()) *Debounce { return &Debounce{quiet: quiet, fn: fn} }

// Call makes the function be called later, and not before.
func (d *Debounce) Call(ctx context.Context) {
	d.Stop()
	d.timer = After(ctx, d.quiet, func() {
		d.timer = nil
		d.fn()
	})
}

// Stop takes the calls back that have not led to anything yet, and reports whether there
// were such.
func (d *Debounce) Stop() bool {
	if d.timer == nil {
		return false
	}
	d.timer.Cancel()
	d.timer = nil
	return true
}
