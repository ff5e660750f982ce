package asyncio

import "time"

// counts is what a loop counts all the time. It must not read the clock where
// the loop does not anyway: that costs as much as a short callback.
type counts struct {
	turns, parks, timers uint64
	lag, maxLag          time.Duration
	busy, idle           time.Duration

	parkedAt time.Duration // when it parked, if that was measured
	weight   time.Duration // for how many parks this one counts; 0: it was not measured
	longAgo  bool          // the last park was so long ago that a clock reading is nothing
}

const (
	parksUnmeasured = 8
	longPark        = 100 * time.Microsecond
)

// timer notes that a timer fired so late.
func (c *counts) timer(late int64) {
	c.timers++
	c.lag = time.Duration(late)
	c.maxLag = max(c.maxLag, c.lag)
}

// parking notes that the loop is about to park.
//
// How long it was busy until then takes a reading of the clock. A loop that
// parks very often, many thousand times a second, would feel it. Whether this
// park is measured must not hang on its own length, or the sum would be wrong.
func (c *counts) parking(l *Loop) {
	c.parks++
	switch {
	case c.longAgo:
		c.weight = 1
	case c.parks%parksUnmeasured == 0:
		c.weight = parksUnmeasured
	default:
		c.weight = 0
		return
	}
	c.parkedAt = l.clock.Now() - l.pace.polled
}

// polled notes that the loop has looked at the driver, so long after the last
// time, and whether it parked for that.
func (c *counts) polled(turns int, took time.Duration, parked bool) {
	c.turns += uint64(turns)
	if !parked {
		c.busy += took
		return
	}
	c.longAgo = took > longPark
	c.busy += c.weight * c.parkedAt
	c.idle += c.weight * (took - c.parkedAt)
}
