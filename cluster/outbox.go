package cluster

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go"
)

// outbox sends what the loop wants to have sent.
//
// Nothing is lost in it. What could not be published is published again by
// [Client.lookAfter] when no answer has come.
type outbox struct {
	outgoings
	c         *Client
	listening map[string][]subscription // of who sends, by hash
}

// outgoing is a message, or something else to do.
type outgoing struct {
	subject, reply string
	data           []byte
	first          bool // the subject must not have a message yet
	do             func()
}

func newOutbox(c *Client) *outbox {
	o := &outbox{c: c, listening: map[string][]subscription{}}
	o.outgoings = c.place.outbox(o.send)
	return o
}

func (o *outbox) publish(subject, reply string, data []byte, first bool) {
	o.Put(outgoing{subject: subject, reply: reply, data: data, first: first})
}

func (o *outbox) request(subject, reply string, data []byte) {
	o.Put(outgoing{subject: subject, reply: reply, data: data})
}

// purge removes the job of a subject from its stream. Its answer is of no use.
func (o *outbox) purge(subject string) {
	request, _ := json.Marshal(map[string]string{"filter": subject})
	s := o.c.streams
	o.request(s.api("STREAM.PURGE", s.jobs), o.c.inbox+".p", request)
}

// drop removes a large value.
func (o *outbox) drop(name string) {
	o.Put(outgoing{do: func() {
		o.c.others.Go(func() {
			ctx, cancel := context.WithTimeout(o.c.ctx, setupTime)
			defer cancel()
			o.c.streams.dropObject(ctx, name)
		})
	}})
}

// firstOnly has NATS refuse a message whose subject has one.
var firstOnly = nats.Header{"Nats-Expected-Last-Subject-Sequence": {"0"}}

func (o *outbox) send(item outgoing) {
	if item.do != nil {
		item.do()
		return
	}
	m := nats.Msg{Subject: item.subject, Reply: item.reply, Data: item.data}
	if item.first {
		m.Header = firstOnly
	}
	_ = o.c.nc.PublishMsg(&m) // see outbox
}

// listen subscribes to what workers tell of the job of a key, and to its result.
func (o *outbox) listen(hash string) {
	o.Put(outgoing{do: func() {
		if o.listening[hash] != nil {
			return
		}
		for _, l := range []listening{
			{o.c.streams.newsOf(hash), func(m *nats.Msg) { o.c.in.post(func() { o.c.heard(hash, m.Data) }) }},
			{o.c.streams.resultOf(hash), func(*nats.Msg) { o.c.in.post(func() { o.c.resultSeen(hash) }) }},
		} {
			if sub, err := o.c.nc.listen(l.subject, l.fn); err == nil { // else lookAfter finds out
				o.listening[hash] = append(o.listening[hash], sub)
			}
		}
	}})
}

func (o *outbox) unlisten(hash string) {
	o.Put(outgoing{do: func() {
		for _, sub := range o.listening[hash] {
			_ = sub.Unsubscribe()
		}
		delete(o.listening, hash)
	}})
}
