package cluster

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// inbound brings to the loop what the goroutines of NATS have: in batches, for a
// message by itself would cost a wake-up.
type inbound struct {
	c *Client

	mu    sync.Mutex
	items []arrival
	spare []arrival
}

// arrival is a message, or a function for the loop.
type arrival struct {
	message *nats.Msg
	fn      func()
}

func (b *inbound) message(m *nats.Msg) { b.put(arrival{message: m}) }

func (b *inbound) post(fn func()) { b.put(arrival{fn: fn}) }

// put is for any goroutine but the loop's.
func (b *inbound) put(a arrival) {
	b.mu.Lock()
	b.items = append(b.items, a)
	first := len(b.items) == 1
	b.mu.Unlock()
	if !first {
		return
	}
	if _, err := b.c.loop.CallSoonThreadsafe(b.drain); err != nil {
		b.c.cancel() // the loop is closed: nobody wants anything any more
	}
}

// drain runs on the loop.
func (b *inbound) drain() {
	b.mu.Lock()
	items := b.items
	b.items = b.spare[:0]
	b.mu.Unlock()
	for i, a := range items {
		items[i] = arrival{}
		switch {
		case a.fn != nil:
			a.fn()
		default:
			b.c.answered(a.message)
		}
	}
	b.mu.Lock()
	if cap(items) <= 8192 {
		b.spare = items[:0]
	} else {
		b.spare = nil
	}
	b.mu.Unlock()
}
