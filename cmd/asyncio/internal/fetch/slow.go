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
	if x.client.opts.SpeedLimit <= 0 {
		return
	}
	x.client.watched[x] = struct{}{}
	if x.client.speedTimer == nil {
		x.client.speedTimer = x.client.loop.CallLater(speedInterval, x.client.lookAtSpeeds)
	}
}

// lookAtSpeeds aborts the attempts that were too slow for too long. One timer
// serves all of them.
func (c *Client) lookAtSpeeds() {
	c.speedTimer = nil
	for x := range c.watched {
		n := x.received - x.slow.seen
		x.slow.seen = x.received
		if n >= c.opts.SpeedLimit {
			x.slow.low = 0
			continue
		}
		if x.slow.low += speedInterval; x.slow.low >= c.opts.speedTime() {
			x.abort(fail(TimedOut, "operation too slow: less than %d bytes/sec came in the last %d seconds",
				c.opts.SpeedLimit, int64(c.opts.speedTime().Seconds())))
		}
	}
	if len(c.watched) > 0 {
		c.speedTimer = c.loop.CallLater(speedInterval, c.lookAtSpeeds)
	}
}
