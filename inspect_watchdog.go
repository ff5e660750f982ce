package asyncio

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// watch starts the watchdog of debug mode: a goroutine that looks now and then
// whether a callback holds the loop, and reports it with the stack on which it
// does that just now. Afterwards nobody could tell.
func (p *explainer) watch() {
	if !p.debug || p.stop != nil {
		return
	}
	p.stop, p.ended = make(chan struct{}), make(chan struct{})
	go p.watchdog(p.slow, p.stop, p.ended)
}

func (p *explainer) watchdog(slow time.Duration, stop, ended chan struct{}) {
	defer close(ended)
	tick := time.NewTicker(min(max(slow/4, time.Millisecond), time.Second))
	defer tick.Stop()
	reported := int64(0) // the callback that was reported already
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		began := p.began.Load()
		if began == 0 || began == reported || time.Since(p.epoch)-time.Duration(began) <= slow {
			continue
		}
		reported = began
		p.reportSlow(began)
	}
}

// reportSlow reports the callback that began then, if it still runs.
func (p *explainer) reportSlow(began int64) {
	goroutine, what := p.active.Load(), p.what.Load()
	stack := stackOfGoroutine(goroutine)
	if p.began.Load() != began {
		return // it has ended meanwhile; the stack may be another's
	}
	args := []any{"for", time.Since(p.epoch) - time.Duration(began), "stack", stack}
	if what != nil {
		args = append([]any{"task", *what}, args...)
	}
	p.loop.logger().Warn("asyncio: a step holds the loop", args...)
}

// stackOfGoroutine gives the stack of another goroutine. It stops the program
// for as long as it takes to write down all stacks, or as many as fit.
func stackOfGoroutine(id uint64) string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	head := fmt.Sprintf("goroutine %d ", id)
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.HasPrefix(g, head) {
			return g
		}
	}
	return "not known"
}
