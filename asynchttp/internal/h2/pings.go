package h2

import (
	"encoding/binary"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
)

// pings are the PINGs that were sent and not answered yet.
type pings struct {
	last    uint64
	waiting map[[8]byte]func()
}

// send sends a PING; answer is called when it is answered.
func (p *pings) send(o *outbox, answer func()) {
	if p.waiting == nil {
		p.waiting = make(map[[8]byte]func())
	}
	p.last++
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], p.last)
	p.waiting[data] = answer
	o.ping(false, data)
}

// answered reports whether data is the answer to a PING that was sent.
func (p *pings) answered(data [8]byte) bool {
	answer, ok := p.waiting[data]
	if ok {
		delete(p.waiting, data)
		answer()
	}
	return ok
}

// defaultPingTimeout is how long a peer has to answer, where nothing is said.
const defaultPingTimeout = 15 * time.Second

// A health looks whether a peer that is silent for long is still there.
type health struct {
	silence alarm.Alarm   // until a PING is sent
	every   time.Duration // how long that is
	answer  alarm.Alarm   // until the connection is given up
	within  time.Duration
}

// newHealth makes c ask its peer after so long a silence, and give it up when it
// does not answer within that time. It returns nil when every is not positive.
func newHealth(c *conn, every, within time.Duration) *health {
	if every <= 0 {
		return nil
	}
	if within <= 0 {
		within = defaultPingTimeout
	}
	h := &health{every: every, within: within}
	h.answer = alarm.New(c.loop, func() { c.lose(ErrPingTimeout) })
	h.silence = alarm.New(c.loop, func() {
		c.pings.send(&c.out, func() {})
		h.answer.Set(h.within)
	})
	h.silence.Set(every)
	return h
}

// heard says that something has come from the peer.
func (h *health) heard() {
	if h != nil {
		h.answer.Stop()
		h.silence.Set(h.every)
	}
}

func (h *health) end() {
	if h != nil {
		h.silence.End()
		h.answer.End()
	}
}
