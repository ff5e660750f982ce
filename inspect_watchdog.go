package asyncio

import (
	"fmt"
	"runtime"
	"strconv"
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
	what := p.what.Load()
	stack := ""
	if here, ok := p.loop.onRun.(*presence); ok && here.labelled.Load() {
		if c := findCulprit(here.label); c != nil {
			stack = c.stack()
			here.caughtAt(p.loop.peekNow(), takePulse(p.loop).task, c)
		}
	} else {
		stack = stackOfGoroutine(p.active.Load())
	}
	if p.began.Load() != began {
		return // it has ended meanwhile; the stack may be another's
	}
	args := []any{"for", time.Since(p.epoch) - time.Duration(began)}
	if what != nil {
		args = append([]any{"task", *what}, args...)
	}
	p.loop.logger().Warn("asyncio: a step holds the loop\n"+stack, args...)
}

// stackOfGoroutine returns the stack of another goroutine. It stops the program
// for as long as it takes to write down all stacks. It is for loops that the stall
// watch passes over.
func stackOfGoroutine(id uint64) string {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) && n < maxStacks {
		buf = make([]byte, 4*len(buf))
		n = runtime.Stack(buf, true)
	}
	head := fmt.Sprintf("goroutine %d ", id)
	for g := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		if strings.HasPrefix(g, head) {
			return g
		}
	}
	return "its stack is not among the first " + strconv.Itoa(n) + " bytes of all stacks"
}

// maxStacks is how many bytes of stacks are written down at most.
const maxStacks = 64 << 20
