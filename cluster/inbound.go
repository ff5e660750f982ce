package cluster

import (
	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// inbound brings to the loop what the goroutines of NATS have.
type inbound struct{ *natslink.Inbox[arrival] }

// arrival is a message, or a function for the loop.
type arrival struct {
	message *nats.Msg
	fn      func()
}

func newInbound(loop *asyncio.Loop, c *Client) inbound {
	return inbound{natslink.NewInbox(loop, func(a arrival) {
		if a.fn != nil {
			a.fn()
		} else {
			c.answered(a.message)
		}
	}, c.cancel)}
}

func (b inbound) message(m *nats.Msg) { b.Put(arrival{message: m}) }

func (b inbound) post(fn func()) { b.Put(arrival{fn: fn}) }
