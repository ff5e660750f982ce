package cluster

import "github.com/nats-io/nats.go"

// inbound brings to the loop what the goroutines of NATS have.
type inbound struct{ arrivals }

// arrival is a message, or a function for the loop.
type arrival struct {
	message *nats.Msg
	fn      func()
}

// arrived takes what has come, on the loop.
func (c *Client) arrived(a arrival) {
	if a.fn != nil {
		a.fn()
	} else {
		c.answered(a.message)
	}
}

func (b inbound) message(m *nats.Msg) { b.Put(arrival{message: m}) }

func (b inbound) post(fn func()) { b.Put(arrival{fn: fn}) }
