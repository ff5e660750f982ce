// Package simnats is an engine for package cluster in a simulated world, in the place of
// NATS: a program of a host, which clients and workers on other hosts reach over the
// simulated network. It keeps the promises of NATS' JetStream that package cluster builds
// on, and no others: work queues with leases and redelivery, streams that keep the last
// message of a subject, refusal of a second one, large values, and messages that are only
// passed on.
//
//	engine := simnats.New()
//	w.Host("engine").Serve(func(ctx context.Context) error { return engine.Serve(ctx, ":4222") })
//	w.Host("worker").Serve(func(ctx context.Context) error { return cluster.Serve(ctx, "nats://engine:4222") })
//
// In a world [cluster.Connect] and [cluster.Serve] talk to it by themselves. The world must
// be one of sim.Test, for package cluster asks package time for the time. Reading, retrying
// and dropping dead letters is not supported there.
package simnats

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster/internal/simwire"
)

// An Engine is an engine with its disk: what streams with file storage have outlives a
// crash of the host on which Serve runs, what those in memory have does not. One Serve at a
// time may use it. All of a world is on one goroutine, and so is an engine.
type Engine struct {
	streams map[string]*stream
	buckets map[string]map[string][]byte

	loop    *asyncio.Loop
	clients []*client // in the order in which they came
	timer   *asyncio.TimerHandle
}

// New returns an engine that holds nothing.
func New() *Engine {
	return &Engine{streams: make(map[string]*stream), buckets: make(map[string]map[string][]byte)}
}

// maxUnsent is how many bytes may wait for a client that does not read, before it is cut
// off.
const maxUnsent = 64 << 20

// A client is a connection.
type client struct {
	stream *asyncio.Stream
	subs   []subscription
}

type subscription struct {
	id      uint64
	pattern string
}

// Serve serves at an address of the host, such as ":4222", until ctx ends. It is to be
// called by a task of a loop in a simulated world, and begins with what the engine's disk
// has.
func (e *Engine) Serve(ctx context.Context, address string) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	e.loop, e.clients, e.timer = loop, nil, nil
	for name, s := range e.streams {
		if !s.restarted() {
			delete(e.streams, name)
		}
	}
	server, err := asyncio.StartServer(ctx, "tcp", address, func(_ context.Context, s *asyncio.Stream) error {
		e.serve(s)
		return nil
	})
	if err != nil {
		return err
	}
	return server.ServeForever(ctx)
}

// serve serves a client.
func (e *Engine) serve(s *asyncio.Stream) {
	c := &client{stream: s}
	e.clients = append(e.clients, c)
	defer func() {
		e.clients = slices.DeleteFunc(e.clients, func(o *client) bool { return o == c })
		s.Abort()
	}()
	for {
		f, err := simwire.Read(s)
		if err != nil {
			return // it has gone, however
		}
		switch f.Op {
		case simwire.Pub:
			e.publish(message{subject: f.Subject, reply: f.Reply, header: f.Header, data: f.Data})
		case simwire.Sub:
			c.subs = append(c.subs, subscription{f.ID, f.Subject})
		case simwire.Unsub:
			c.subs = slices.DeleteFunc(c.subs, func(s subscription) bool { return s.id == f.ID })
		case simwire.Ping:
			c.send(&simwire.Frame{Op: simwire.Pong})
		}
	}
}

// send has a frame sent, or cuts the client off that does not read.
func (c *client) send(f *simwire.Frame) {
	if err := c.stream.WriteNowait(simwire.Append(nil, f)); err == nil && c.stream.WriteBufferSize() > maxUnsent {
		c.stream.Abort()
	} // else the reader finds out that it has gone
}

// A message is one of NATS'.
type message struct {
	subject, reply string
	header         map[string][]string
	data           []byte
}

func (m *message) get(header string) string {
	if v := m.header[header]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// publish takes a message: it is stored, answered, acknowledges another, or passed on.
func (e *Engine) publish(m message) {
	switch {
	case strings.HasPrefix(m.subject, "$JS.ACK."):
		e.acknowledge(m)
		return
	case strings.HasPrefix(m.subject, "$JS.API."), strings.HasPrefix(m.subject, "$SIM."):
		e.answer(m)
		return
	}
	taken := false
	for _, name := range sortedKeys(e.streams) {
		if s := e.streams[name]; s.takes(m.subject) {
			taken = true
			e.reply(m.reply, s.store(m))
			e.deliver(s)
		}
	}
	if !e.pass(m) && !taken && m.reply != "" {
		e.status(m.reply, "503", "No Responders", nil)
	}
}

// pass passes a message on to those who listen, and reports whether there were any.
func (e *Engine) pass(m message) (heard bool) {
	for _, c := range e.clients {
		for _, s := range c.subs {
			if matches(s.pattern, m.subject) {
				heard = true
				c.send(&simwire.Frame{Op: simwire.Msg, ID: s.id, Subject: m.subject, Reply: m.reply, Header: m.header, Data: m.data})
			}
		}
	}
	return heard
}

// listened reports whether somebody listens to a subject.
func (e *Engine) listened(subject string) bool {
	for _, c := range e.clients {
		if slices.ContainsFunc(c.subs, func(s subscription) bool { return matches(s.pattern, subject) }) {
			return true
		}
	}
	return false
}

// status answers without data.
func (e *Engine) status(to, code, description string, more map[string][]string) {
	header := map[string][]string{"Status": {code}, "Description": {description}}
	for k, v := range more {
		header[k] = v
	}
	e.pass(message{subject: to, header: header})
}

// matches reports whether a subject is one of a pattern's.
func matches(pattern, subject string) bool {
	for {
		p, restP, moreP := strings.Cut(pattern, ".")
		if p == ">" {
			return subject != ""
		}
		s, restS, moreS := strings.Cut(subject, ".")
		if p != "*" && p != s || moreP != moreS {
			return false
		}
		if !moreP {
			return true
		}
		pattern, subject = restP, restS
	}
}

func (e *Engine) now() time.Duration { return e.loop.Time() }

// look calls tick again when something is due.
func (e *Engine) look() {
	next := time.Duration(-1)
	for _, s := range e.streams {
		if d, ok := s.due(); ok && (next < 0 || d < next) {
			next = d
		}
	}
	if e.timer != nil {
		e.timer.Cancel()
		e.timer = nil
	}
	if next >= 0 {
		e.timer = e.loop.CallAt(next, e.tick)
	}
}

func (e *Engine) tick() {
	e.timer = nil
	for _, name := range sortedKeys(e.streams) {
		e.deliver(e.streams[name])
	}
	e.look()
}

// errNoStream is the error of a question about a stream that there is not.
var errNoStream = errors.New("stream not found")
