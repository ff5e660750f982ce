package cluster

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// A place is where a client or a worker runs: on goroutines, with NATS' own client; or, on
// a host of a simulated world, in tasks of its loop, where nothing is left to chance that
// the world has not chosen.
type place interface {
	// connect connects; again is called after each new connection.
	connect(c *config, url, role string, again func()) (link, error)
	// crew returns a group of what runs beside.
	crew() crew
	cond(l sync.Locker) cond
	mailbox() mailbox
	outbox(send func(outgoing)) outgoings
	inbox(c *Client) arrivals
	// beside calls a function that may wait where that holds up nobody, and waits for it.
	beside(ctx context.Context, fn func(ctx context.Context) error) error
	// finish calls a function that may wait, and returns the future of its end.
	finish(loop *asyncio.Loop, fn func()) *asyncio.Future[struct{}]
	// after calls a function that may wait after some time, unless stop was called before.
	after(d time.Duration, fn func()) (stop func())
	// every calls a function again and again until stop, after which it does not run.
	every(d time.Duration, fn func()) (stop func())
	// pause waits, or until ctx ends.
	pause(ctx context.Context, d time.Duration) error
	// ended waits for the end of a context.
	ended(ctx context.Context)
	// base is the context on which those of jobs are built.
	base() context.Context
	// id returns a name that nobody else has.
	id() string
	// self returns the machine's name and the number of the process there.
	self() (host string, process int)
}

// A link is a connection to NATS. What it publishes does not wait, but for a network that
// is slow. The messages of a subscription come one after another.
type link interface {
	Publish(subject string, data []byte) error
	PublishRequest(subject, reply string, data []byte) error
	PublishMsg(m *nats.Msg) error
	RequestWithContext(ctx context.Context, subject string, data []byte) (*nats.Msg, error)
	FlushWithContext(ctx context.Context) error
	NewInbox() string
	MaxPayload() int64
	Close()
	// listen subscribes, without a bound on what waits to be handled: it is bounded by
	// what was asked for.
	listen(subject string, fn nats.MsgHandler) (subscription, error)
	jetStream() (jetstream.JetStream, error)
}

type (
	subscription interface {
		Unsubscribe() error
		// Drain is Unsubscribe that has what is on its way still handled.
		Drain() error
	}
	crew interface {
		Go(fn func())
		Wait()
	}
	cond interface {
		Wait()
		Signal()
		Broadcast()
	}
	// mailbox holds one message.
	mailbox interface {
		put(m *nats.Msg)
		// get waits for the message, if need be so long.
		get(d time.Duration) (m *nats.Msg, came bool)
	}
	outgoings interface {
		Put(outgoing)
		Close()
		Wait()
	}
	arrivals interface{ Put(arrival) }
)

// placeOf returns the place of a function's caller.
func placeOf(ctx context.Context) place {
	if loop, err := asyncio.RunningLoop(ctx); err == nil {
		if p, ok := hook.Driver(loop).(driver.Program); ok {
			return &worldPlace{loop: loop, ctx: context.WithoutCancel(ctx), program: p}
		}
	}
	return goroutines{}
}

// goroutines are the place of the real world.
type goroutines struct{}

func (goroutines) connect(c *config, url, role string, again func()) (link, error) {
	opts := append(c.nats[:len(c.nats):len(c.nats)], nats.ReconnectHandler(func(*nats.Conn) { again() }))
	nc, err := natslink.Connect(url, c.name+" "+role, c.log, opts...)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return natsLink{nc}, nil
}

func (goroutines) crew() crew                           { return new(sync.WaitGroup) }
func (goroutines) cond(l sync.Locker) cond              { return sync.NewCond(l) }
func (goroutines) mailbox() mailbox                     { return make(messages, 1) }
func (goroutines) outbox(send func(outgoing)) outgoings { return natslink.NewOutbox(send) }
func (goroutines) inbox(c *Client) arrivals {
	return natslink.NewInbox(c.loop, c.arrived, c.cancel)
}

func (goroutines) beside(ctx context.Context, fn func(ctx context.Context) error) error {
	_, err := asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

func (goroutines) finish(loop *asyncio.Loop, fn func()) *asyncio.Future[struct{}] {
	return asyncio.WrapFuture(loop, func(context.Context) (struct{}, error) { fn(); return struct{}{}, nil })
}

func (goroutines) after(d time.Duration, fn func()) (stop func()) {
	t := time.AfterFunc(d, fn)
	return func() { t.Stop() }
}

func (goroutines) every(d time.Duration, fn func()) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				fn()
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

func (goroutines) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (goroutines) ended(ctx context.Context) { <-ctx.Done() }
func (goroutines) base() context.Context     { return context.Background() }
func (goroutines) id() string                { return nuid.Next() }

func (goroutines) self() (host string, process int) {
	host, _ = os.Hostname()
	return host, os.Getpid()
}

// natsLink is a connection of NATS' client.
type natsLink struct{ *nats.Conn }

func (l natsLink) listen(subject string, fn nats.MsgHandler) (subscription, error) {
	sub, err := l.Subscribe(subject, fn)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: listen to %s: %w", subject, err)
	}
	return sub, nil
}

func (l natsLink) jetStream() (jetstream.JetStream, error) { return jetstream.New(l.Conn) }

// messages is the mailbox of a goroutine.
type messages chan *nats.Msg

func (b messages) put(m *nats.Msg) { b <- m }

func (b messages) get(d time.Duration) (m *nats.Msg, came bool) {
	select {
	case m := <-b:
		return m, true
	default:
	}
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case m := <-b:
		return m, true
	case <-late.C:
		return nil, false
	}
}
