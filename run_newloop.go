package asyncio

import (
	"fmt"
	"os"
)

// NewLoop makes a loop, which must be closed. Python: new_event_loop.
func NewLoop(opts ...Option) (*Loop, error) {
	c := config{stallLimit: defaultStallLimit, debug: os.Getenv("ASYNCIODEBUG") == "1"}
	for _, o := range opts {
		o.applyLoop(&c)
	}
	l := &Loop{log: c.logger, onError: c.onError}
	l.init()
	l.stuck = l.deadlock
	if c.debug || c.labels || c.regions {
		p := l.explain()
		p.debug, p.labels, p.regions = c.debug, c.labels, c.regions
	}
	if c.executor != (defaultExecutor{}) {
		*l.executorPart() = c.executor
	}
	if c.interrupts != interruptsByDefault {
		l.signalPart().mode = c.interrupts
	}
	if c.virtual {
		l.watched = new(watchedWaits)
		if !c.stallAsked {
			c.stallLimit = 0
		}
	}
	l.onRun = newPresence(l, c.stallLimit)
	var err error
	if l.driver, l.clock, err = c.open(l.inbox.outsideAtWork); err != nil {
		return nil, fmt.Errorf("asyncio: new loop: %w", err)
	}
	return l, nil
}
