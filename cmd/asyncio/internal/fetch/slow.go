package fetch

import "time"

// slowness is how long an attempt has been slower than it must be.
type slowness struct {
	seen int64 // bytes at the last look
	low  time.Duration
}

// speedInterval is how often one looks at the speeds.
const speedInterval = time.Second

// watchSpeed begins to look at the speed of the attempt, when there is a limit.
func (x *transfer) watchSpeed() {
	if x.run.opts.SpeedLimit <= 0 {
		return
	}
	x.run.watched[x] = struct{}{}
	if x.run.speedTimer == nil {
		x.run.speedTimer = x.run.loop.CallLater(speedInterval, x.run.lookAtSpeeds)
	}
}

// lookAtSpeeds aborts the attempts that were too slow for too long. One timer
// serves all of them.
func (e *engine) lookAtSpeeds() {
	e.speedTimer = nil
	for x := range e.watched {
		n := x.received - x.slow.seen
		x.slow.seen = x.received
		if n >= e.opts.SpeedLimit {
			x.slow.low = 0
			continue
		}
		if x.slow.low += speedInterval; x.slow.low >= e.opts.speedTime() {
			x.abort(fail(TimedOut, "operation too slow: less than %d bytes/sec came in the last %d seconds",
				e.opts.SpeedLimit, int64(e.opts.speedTime().Seconds())))
		}
	}
	if len(e.watched) > 0 {
		e.speedTimer = e.loop.CallLater(speedInterval, e.lookAtSpeeds)
	}
}
