package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster/internal/simwire"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// As natslink has NATS' client do it.
const (
	worldDial = 2 * time.Second
	worldWait = 100 * time.Millisecond
	worldPing = 5 * time.Second
	maxPings  = 2 // without an answer: the connection is dead
)

// A worldLink is a connection to a simulated engine, which is made again when it is lost.
type worldLink struct {
	place     *worldPlace
	addresses []string
	again     func()
	stream    *asyncio.Stream // nil: there is none
	subs      []*worldSubscription
	n         uint64
	inbox     string
	asked     map[string]*asyncio.Future[*nats.Msg] // by subject of the answer
	pings     []*asyncio.Future[struct{}]           // without an answer, in their order; nil: nobody waits for it
	unheard   int                                   // pings of the timer, since the last answer
	stopPings func()
	closed    bool
}

type worldSubscription struct {
	link    *worldLink
	id      uint64
	subject string
	fn      nats.MsgHandler
}

var errNotConnected = errors.New("cluster: there is no connection to the engine")

func (p *worldPlace) connect(_ *config, url, _ string, again func()) (link, error) {
	l := &worldLink{place: p, again: again, asked: make(map[string]*asyncio.Future[*nats.Msg])}
	for u := range strings.SplitSeq(url, ",") {
		if _, after, ok := strings.Cut(u, "://"); ok {
			u = after
		}
		l.addresses = append(l.addresses, u[strings.LastIndexByte(u, '@')+1:])
	}
	l.inbox = l.NewInbox()
	if _, err := l.listen(l.inbox+".*", l.answered); err != nil {
		return nil, err
	}
	if err := l.dial(); err != nil {
		return nil, fmt.Errorf("cluster: connect to %s: %w", url, err)
	}
	l.stopPings = p.every(worldPing, l.ping)
	p.spawn(l.run)
	return l, nil
}

// dial connects, and listens to what was listened to before.
func (l *worldLink) dial() (err error) {
	for _, a := range l.addresses {
		var s *asyncio.Stream
		if s, err = asyncio.OpenConnection(l.place.ctx, "tcp", a, asyncio.WithConnectTimeout(worldDial)); err != nil {
			continue
		}
		if l.closed {
			s.Abort()
			return nats.ErrConnectionClosed
		}
		l.stream, l.unheard = s, 0
		for _, sub := range l.subs {
			_ = l.send(&simwire.Frame{Op: simwire.Sub, ID: sub.id, Subject: sub.subject}) // the reader finds out
		}
		return nil
	}
	return err
}

// run reads what comes, and connects again.
func (l *worldLink) run() {
	for !l.closed {
		s := l.stream
		for {
			f, err := simwire.Read(s)
			if err != nil {
				break
			}
			l.got(f)
		}
		s.Abort()
		l.stream = nil
		l.lostPings()
		for !l.closed {
			jitter := time.Duration(hook.Rand(l.place.loop, int64(worldWait)))
			if asyncio.Sleep(l.place.ctx, worldWait+jitter) != nil {
				return // with the loop
			}
			if !l.closed && l.dial() == nil {
				l.place.spawn(l.again)
				break
			}
		}
	}
}

// got takes a frame.
func (l *worldLink) got(f *simwire.Frame) {
	switch f.Op {
	case simwire.Pong:
		l.unheard = 0
		if len(l.pings) == 0 {
			return // it answers nothing
		}
		if f := l.pings[0]; f != nil && !f.Done() {
			_ = f.SetResult(struct{}{})
		}
		l.pings = l.pings[1:]
	case simwire.Msg:
		for _, s := range l.subs {
			if s.id == f.ID {
				s.fn(&nats.Msg{Subject: f.Subject, Reply: f.Reply, Header: f.Header, Data: f.Data})
				return
			}
		}
	}
}

// ping looks whether the connection is still one.
func (l *worldLink) ping() {
	if l.stream == nil {
		return
	}
	if l.unheard++; l.unheard > maxPings {
		l.stream.Abort()
		return
	}
	_ = l.sendPing(nil) // the reader finds out
}

// sendPing sends a ping, the answer to which settles f, unless that is nil.
func (l *worldLink) sendPing(f *asyncio.Future[struct{}]) error {
	err := l.send(&simwire.Frame{Op: simwire.Ping})
	if err == nil {
		l.pings = append(l.pings, f)
	}
	return err
}

// lostPings ends the waits for answers that will not come.
func (l *worldLink) lostPings() {
	for _, f := range l.pings {
		if f != nil && !f.Done() {
			_ = f.SetError(errNotConnected)
		}
	}
	l.pings = nil
}

func (l *worldLink) send(f *simwire.Frame) error {
	switch {
	case l.closed:
		return nats.ErrConnectionClosed
	case l.stream == nil:
		return errNotConnected
	}
	return l.stream.WriteNowait(simwire.Append(nil, f))
}

func (l *worldLink) Publish(subject string, data []byte) error {
	return l.PublishRequest(subject, "", data)
}

func (l *worldLink) PublishRequest(subject, reply string, data []byte) error {
	return l.send(&simwire.Frame{Op: simwire.Pub, Subject: subject, Reply: reply, Data: data})
}

func (l *worldLink) PublishMsg(m *nats.Msg) error {
	return l.send(&simwire.Frame{Op: simwire.Pub, Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data})
}

func (l *worldLink) RequestWithContext(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	return l.request(ctx, &nats.Msg{Subject: subject, Data: data})
}

// request sends a message and waits for the answer. Of ctx it heeds the deadline.
func (l *worldLink) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.n++
	m.Reply = l.inbox + "." + strconv.FormatUint(l.n, 36)
	f := asyncio.NewFuture[*nats.Msg](l.place.loop)
	l.asked[m.Reply] = f
	defer delete(l.asked, m.Reply)
	if err := l.PublishMsg(m); err != nil {
		return nil, err
	}
	answer, err := within(l.place, patience(ctx), f)
	switch {
	case errors.As(err, new(*asyncio.TimeoutError)):
		return nil, context.DeadlineExceeded
	case err != nil:
		return nil, err
	case answer.Header.Get("Status") == "503":
		return nil, nats.ErrNoResponders
	}
	return answer, nil
}

// patience is how long somebody with a context waits.
func patience(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return setupTime
}

func (l *worldLink) answered(m *nats.Msg) {
	if f := l.asked[m.Subject]; f != nil && !f.Done() {
		_ = f.SetResult(m)
	}
}

// FlushWithContext waits until the engine has handled all that was sent before, as an
// answer to a ping says. Of ctx it heeds the deadline.
func (l *worldLink) FlushWithContext(ctx context.Context) error {
	f := asyncio.NewFuture[struct{}](l.place.loop)
	if err := l.sendPing(f); err != nil {
		return err
	}
	defer func() {
		if i := slices.Index(l.pings, f); i >= 0 {
			l.pings[i] = nil
		}
	}()
	_, err := within(l.place, patience(ctx), f)
	return err
}

func (l *worldLink) NewInbox() string  { return "_INBOX." + l.place.id() }
func (l *worldLink) MaxPayload() int64 { return 1 << 20 }

func (l *worldLink) Close() {
	if l.closed {
		return
	}
	l.closed = true
	l.stopPings()
	if l.stream != nil {
		_ = l.stream.Close() // what was written is sent
	}
}

func (l *worldLink) listen(subject string, fn nats.MsgHandler) (subscription, error) {
	l.n++
	s := &worldSubscription{l, l.n, subject, fn}
	l.subs = append(l.subs, s)
	_ = l.send(&simwire.Frame{Op: simwire.Sub, ID: s.id, Subject: subject}) // dial does it again
	return s, nil
}

func (s *worldSubscription) Unsubscribe() error {
	s.link.subs = slices.DeleteFunc(s.link.subs, func(o *worldSubscription) bool { return o == s })
	return s.link.send(&simwire.Frame{Op: simwire.Unsub, ID: s.id})
}

// Drain goes on to handle what comes: it is given back.
func (s *worldSubscription) Drain() error {
	return s.link.send(&simwire.Frame{Op: simwire.Unsub, ID: s.id})
}

func (l *worldLink) jetStream() (jetstream.JetStream, error) { return worldJetStream{link: l}, nil }

// A worldJetStream is what this package uses of JetStream, by questions to the engine. It
// has no other methods.
type worldJetStream struct {
	jetstream.JetStream
	link *worldLink
}

// ask asks the engine something, and reads the answer into one.
func (js worldJetStream) ask(ctx context.Context, subject string, question, answer any) error {
	data, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m, err := js.link.RequestWithContext(ctx, "$JS.API."+subject, data)
	if err != nil {
		return err
	}
	return read(m, answer)
}

// read reads an answer of the engine, which may be an error.
func read(m *nats.Msg, answer any) error {
	if code, err := problem(m); err != nil {
		return &jetstream.APIError{Code: 400, ErrorCode: jetstream.ErrorCode(code), Description: err.Error()}
	}
	return json.Unmarshal(m.Data, answer)
}

func (js worldJetStream) CreateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	return js.stream(ctx, "STREAM.CREATE."+c.Name, c)
}

func (js worldJetStream) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	return js.stream(ctx, "STREAM.INFO."+name, nil)
}

func (js worldJetStream) stream(ctx context.Context, subject string, question any) (jetstream.Stream, error) {
	var answer struct {
		Config jetstream.StreamConfig
		State  struct{ Messages uint64 }
	}
	if err := js.ask(ctx, subject, question, &answer); err != nil {
		return nil, err
	}
	return worldStream{info: &jetstream.StreamInfo{Config: answer.Config, State: jetstream.StreamState{Msgs: answer.State.Messages}}}, nil
}

func (js worldJetStream) CreateConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if c.Durable == "" { // those who are there tell it in a moment
		return worldConsumer{info: &jetstream.ConsumerInfo{Config: c}}, nil
	}
	return js.consumer(ctx, "CONSUMER.CREATE."+stream+"."+c.Durable, c)
}

func (js worldJetStream) Consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	return js.consumer(ctx, "CONSUMER.INFO."+stream+"."+name, nil)
}

func (js worldJetStream) consumer(ctx context.Context, subject string, question any) (jetstream.Consumer, error) {
	var answer struct{ Config jetstream.ConsumerConfig }
	if err := js.ask(ctx, subject, question, &answer); err != nil {
		return nil, err
	}
	return worldConsumer{info: &jetstream.ConsumerInfo{Config: answer.Config}}, nil
}

func (js worldJetStream) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if len(opts) > 0 {
		return nil, fmt.Errorf("cluster: options of a message to a simulated engine: %w", errors.ErrUnsupported)
	}
	m, err := js.link.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, err
	}
	ack := new(jetstream.PubAck)
	return ack, read(m, ack)
}

func (js worldJetStream) CreateObjectStore(ctx context.Context, c jetstream.ObjectStoreConfig) (jetstream.ObjectStore, error) {
	return js.ObjectStore(ctx, c.Bucket)
}

func (js worldJetStream) ObjectStore(_ context.Context, bucket string) (jetstream.ObjectStore, error) {
	return worldValues{link: js.link, bucket: bucket}, nil
}

type worldStream struct {
	jetstream.Stream
	info *jetstream.StreamInfo
}

func (s worldStream) CachedInfo() *jetstream.StreamInfo { return s.info }

var errNoLetters = fmt.Errorf("cluster: a simulated engine has dead letters counted only: %w", errors.ErrUnsupported)

func (worldStream) GetMsg(context.Context, uint64, ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	return nil, errNoLetters
}

func (worldStream) DeleteMsg(context.Context, uint64) error { return errNoLetters }

type worldConsumer struct {
	jetstream.Consumer
	info *jetstream.ConsumerInfo
}

func (c worldConsumer) CachedInfo() *jetstream.ConsumerInfo { return c.info }

// worldValues are the large values.
type worldValues struct {
	jetstream.ObjectStore
	link   *worldLink
	bucket string
}

func (v worldValues) ask(ctx context.Context, verb, name string, data []byte) (*nats.Msg, error) {
	m, err := v.link.request(ctx, &nats.Msg{Subject: "$SIM." + verb + "." + v.bucket, Header: nats.Header{"Name": {name}}, Data: data})
	if err != nil {
		return nil, err
	}
	if verb == "GET" && m.Header.Get("Name") == "" {
		return nil, jetstream.ErrObjectNotFound
	}
	return m, nil
}

func (v worldValues) PutBytes(ctx context.Context, name string, data []byte) (*jetstream.ObjectInfo, error) {
	_, err := v.ask(ctx, "PUT", name, data)
	return new(jetstream.ObjectInfo), err
}

func (v worldValues) GetBytes(ctx context.Context, name string, _ ...jetstream.GetObjectOpt) ([]byte, error) {
	m, err := v.ask(ctx, "GET", name, nil)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(m.Data), nil
}

func (v worldValues) Delete(ctx context.Context, name string) error {
	_, err := v.ask(ctx, "DELETE", name, nil)
	return err
}
