// Command mqttd is an MQTT broker, as that of Python's amqtt is.
//
//	mqttd [ADDRESS]
//
// The same as there: MQTT 3.1.1 over TCP; topics with + and #; messages that are retained;
// the will of a client that goes without saying so; a client that says nothing for one and a
// half times its keep-alive has gone; a second client of the same name ends the first.
//
// Other than there: quality of service is 0 and 1, and a subscription to 2 gets 1; sessions
// end with their connections, so CleanSession is taken as set; there is no authentication,
// no plugin and no bridge. A client that does not read is cut off when much waits for it,
// where there it is queued without a bound.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

const (
	maxPacket   = 1 << 20
	maxBehind   = 4 << 20 // bytes that may wait for a client
	connectTime = 10 * time.Second
)

// A message is what is published.
type message struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
}

// A broker is all clients and what is retained. It has no lock: nothing here waits.
type broker struct {
	clients  map[string]*client
	retained map[string]message
}

func newBroker() *broker {
	return &broker{clients: map[string]*client{}, retained: map[string]message{}}
}

func main() {
	address := "127.0.0.1:1883"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	asyncio.Main(func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", address, newBroker().serve)
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.ServeForever(ctx)
	})
}

// A client is a connection.
type client struct {
	*broker
	stream        *asyncio.Stream
	name          string
	keepAlive     time.Duration // 0: it may be silent for ever
	will          *message
	subscriptions map[string]byte // filters, with the quality that they want
	lastID        uint16
}

// errGone ends a client that has said goodbye.
var errGone = errors.New("disconnected")

// serve is the task of a client.
func (b *broker) serve(ctx context.Context, stream *asyncio.Stream) error {
	c := &client{broker: b, stream: stream, subscriptions: map[string]byte{}}
	err := asyncio.Timeout(ctx, connectTime, c.connect)
	if err == nil {
		err = c.run(ctx)
		if b.clients[c.name] == c {
			delete(b.clients, c.name)
		}
		if c.will != nil {
			b.publish(*c.will)
		}
	}
	switch {
	case asyncio.IsCancelled(err):
		return err
	case err != nil && !errors.Is(err, errGone):
		slog.Info("a client has gone", "name", c.name, "why", err)
	}
	return nil
}

// connect is the beginning of a connection.
func (c *client) connect(ctx context.Context) error {
	kind, _, p, err := readPacket(ctx, c.stream)
	if err != nil {
		return err
	}
	if kind != packetConnect {
		return errMalformed
	}
	d := decoder{rest: p}
	protocol, level, flags := d.text(), d.byte(), d.byte()
	c.keepAlive = time.Duration(d.uint16()) * time.Second * 3 / 2
	c.name = d.text()
	if flags&flagWill != 0 {
		topic := d.text()
		c.will = &message{topic: topic, payload: d.bytes(), qos: min(flags>>3&3, 1), retain: flags&flagWillRetain != 0}
	}
	if d.bad || protocol != "MQTT" {
		return errMalformed
	}
	if level != protocolLevel {
		c.send(packetConnAck, 0, []byte{0, 1})
		return fmt.Errorf("protocol level %d is not spoken here", level)
	}
	if c.name == "" {
		c.name = fmt.Sprintf("%v", c.stream.RemoteAddr())
	}
	if old := c.clients[c.name]; old != nil {
		old.stream.Abort()
	}
	c.clients[c.name] = c
	c.send(packetConnAck, 0, []byte{0, 0})
	return nil
}

// run takes packets until the client has gone.
func (c *client) run(ctx context.Context) error {
	limit := asyncio.NoTimeout
	if c.keepAlive > 0 {
		limit = c.keepAlive
	}
	for {
		err := asyncio.Timeout(ctx, limit, func(ctx context.Context) error {
			kind, flags, p, err := readPacket(ctx, c.stream)
			if err != nil {
				return err
			}
			return c.handle(kind, flags, p)
		})
		if err != nil {
			return err
		}
	}
}

// handle does what a packet says. It does not wait.
func (c *client) handle(kind, flags byte, p []byte) error {
	d := decoder{rest: p}
	switch kind {
	case packetPublish:
		m := message{topic: d.text(), qos: flags >> 1 & 3, retain: flags&1 != 0}
		id := uint16(0)
		if m.qos > 0 {
			id = d.uint16()
		}
		m.payload = d.rest
		if d.bad || m.qos > 1 || !validTopic(m.topic) {
			return errMalformed
		}
		c.publish(m)
		if m.qos == 1 {
			c.send(packetPubAck, 0, []byte{byte(id >> 8), byte(id)})
		}
	case packetPubAck: // of a message that is not sent again
	case packetSubscribe:
		return c.subscribe(&d)
	case packetUnsubscribe:
		id := d.uint16()
		for len(d.rest) > 0 {
			delete(c.subscriptions, d.text())
		}
		c.send(packetUnsubAck, 0, []byte{byte(id >> 8), byte(id)})
	case packetPingReq:
		c.send(packetPingResp, 0, nil)
	case packetDisconnect:
		c.will = nil
		return errGone
	default:
		return errMalformed
	}
	if d.bad {
		return errMalformed
	}
	return nil
}

func (c *client) subscribe(d *decoder) error {
	id := d.uint16()
	answer := []byte{byte(id >> 8), byte(id)}
	var filters []string
	for len(d.rest) > 0 {
		filter, qos := d.text(), d.byte()
		if d.bad || !validFilter(filter) {
			answer = append(answer, subscribeFailure)
			continue
		}
		c.subscriptions[filter] = min(qos, 1)
		filters = append(filters, filter)
		answer = append(answer, min(qos, 1))
	}
	if d.bad || len(answer) == 2 {
		return errMalformed
	}
	c.send(packetSubAck, 0, answer)
	for _, filter := range filters {
		for _, m := range c.retained {
			if matches(filter, m.topic) {
				c.deliver(m, c.subscriptions[filter])
			}
		}
	}
	return nil
}

// publish gives a message to all who want it, each once.
func (b *broker) publish(m message) {
	if m.retain {
		if len(m.payload) == 0 {
			delete(b.retained, m.topic)
		} else {
			b.retained[m.topic] = m
		}
	}
	m.retain = false // to those who have subscribed already
	for _, c := range b.clients {
		wanted, qos := false, byte(0)
		for filter, q := range c.subscriptions {
			if matches(filter, m.topic) {
				wanted, qos = true, max(qos, q)
			}
		}
		if wanted {
			c.deliver(m, qos)
		}
	}
}

func (c *client) deliver(m message, qos byte) {
	qos = min(qos, m.qos)
	flags := qos << 1
	if m.retain {
		flags |= 1
	}
	p := appendText(nil, m.topic)
	if qos > 0 {
		if c.lastID++; c.lastID == 0 {
			c.lastID = 1
		}
		p = append(p, byte(c.lastID>>8), byte(c.lastID))
	}
	c.send(packetPublish, flags, append(p, m.payload...))
}

// send queues a packet. It does not wait: a client for whom too much waits is cut off.
func (c *client) send(kind, flags byte, p []byte) {
	written, err := c.stream.TryWrite(appendPacket(nil, kind, flags, p), maxBehind)
	if err == nil && !written { // after an error its reader notices that it has gone
		slog.Info("a client is too slow", "name", c.name)
		c.stream.Abort()
	}
}

// matches reports whether a topic fits a filter.
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") != strings.HasPrefix(filter, "$") {
		return false
	}
	for {
		if filter == "#" {
			return true
		}
		level, filterRest, filterMore := strings.Cut(filter, "/")
		name, topicRest, topicMore := strings.Cut(topic, "/")
		if level != "+" && level != name {
			return false
		}
		if !topicMore || !filterMore {
			return topicMore == filterMore || filterRest == "#"
		}
		filter, topic = filterRest, topicRest
	}
}

func validTopic(topic string) bool { return topic != "" && !strings.ContainsAny(topic, "+#\x00") }

func validFilter(filter string) bool {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#\x00") && level != "+" && (level != "#" || i < len(levels)-1) {
			return false
		}
	}
	return filter != ""
}

// readPacket reads a packet: its kind, its flags, and what is in it.
func readPacket(ctx context.Context, s *asyncio.Stream) (kind, flags byte, p []byte, err error) {
	head, err := s.ReadExactly(ctx, 1)
	if err != nil {
		return 0, 0, nil, err
	}
	kind, flags = head[0]>>4, head[0]&15
	length := 0
	for shift := 0; ; shift += 7 {
		digit, err := s.ReadExactly(ctx, 1)
		if err != nil {
			return 0, 0, nil, err
		}
		length |= int(digit[0]&0x7f) << shift
		if length > maxPacket || shift > 21 {
			return 0, 0, nil, fmt.Errorf("a packet of %d bytes is too large", length)
		}
		if digit[0] < 0x80 {
			break
		}
	}
	p, err = s.ReadExactly(ctx, length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return kind, flags, p, err
}
