package flow

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Debounce calls a function once for many calls: when there was none for some time. Calls
// that do not pause for so long put that off for as long as they go on.
type Debounce struct {
	quiet time.Duration
	fn    func()
	timer *asyncio.TimerHandle
}

// NewDebounce makes a Debounce that calls fn, as a callback of the loop, when it was not
// called for that long. What waits, fn does in a task: func() { asyncio.Go(ctx, save) }.
// NewDebounce panics when fn is nil.
func NewDebounce(quiet time.Duration, fn func()) *Debounce {
	if fn == nil {
		panic("flow: NewDebounce: there is no function to call")
	}
	return &Debounce{quiet: quiet, fn: fn}
}

// Call makes the function be called later, and not before. It panics with
// [asyncio.ErrNoRunningLoop] where ctx belongs to no loop.
func (d *Debounce) Call(ctx context.Context) {
	d.Stop()
	d.timer = After(ctx, d.quiet, func() {
		d.timer = nil
		d.fn()
	})
}

// Stop takes the calls back that have not led to anything yet, and reports whether there
// were such. At the end of a program that is the time to do at once what they were for: a
// loop that is closed calls nothing any more.
func (d *Debounce) Stop() bool {
	if d.timer == nil {
		return false
	}
	d.timer.Cancel()
	d.timer = nil
	return true
}
