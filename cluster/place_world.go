package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A worldPlace is a host of a simulated world. All of it is for the loop's goroutine.
type worldPlace struct {
	loop *asyncio.Loop
	ctx  context.Context // of the loop; it does not end

	program driver.Program
}

func (p *worldPlace) crew() crew               { return &worldCrew{place: p} }
func (p *worldPlace) cond(l sync.Locker) cond  { return &worldCond{place: p, lock: l} }
func (p *worldPlace) mailbox() mailbox         { return &worldMailbox{p, asyncio.NewFuture[*nats.Msg](p.loop)} }
func (p *worldPlace) base() context.Context    { return p.ctx }
func (p *worldPlace) inbox(c *Client) arrivals { return worldInbox{c} }

func (p *worldPlace) outbox(send func(outgoing)) outgoings { return worldOutbox(send) }

func (p *worldPlace) spawn(fn func()) {
	asyncio.CreateTask(p.ctx, func(context.Context) (struct{}, error) { fn(); return struct{}{}, nil })
}

func (p *worldPlace) beside(ctx context.Context, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

func (p *worldPlace) finish(loop *asyncio.Loop, fn func()) *asyncio.Future[struct{}] {
	f := asyncio.NewFuture[struct{}](loop)
	p.spawn(func() {
		fn()
		_ = f.SetResult(struct{}{}) // nobody else does
	})
	return f
}

func (p *worldPlace) after(d time.Duration, fn func()) (stop func()) {
	return p.loop.CallLater(d, func() { p.spawn(fn) }).Cancel
}

func (p *worldPlace) every(d time.Duration, fn func()) (stop func()) {
	var timer *asyncio.TimerHandle
	var again func()
	again = func() {
		timer = p.loop.CallLater(d, again)
		fn()
	}
	timer = p.loop.CallLater(d, again)
	return func() { timer.Cancel() }
}

func (p *worldPlace) pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return asyncio.Sleep(p.ctx, d)
}

func (p *worldPlace) ended(ctx context.Context) {
	_ = asyncio.NewEvent().Wait(ctx) // it is never set
}

func (p *worldPlace) id() string { return p.program.NewName() }

func (p *worldPlace) self() (host string, process int) { return p.program.Identity() }

// within waits for a future for so long.
func within[T any](p *worldPlace, d time.Duration, f *asyncio.Future[T]) (T, error) {
	return asyncio.WaitFor(p.ctx, d, asyncio.ShieldFuture(f))
}

// A worldCrew is tasks.
type worldCrew struct {
	place   *worldPlace
	n       int
	waiting []*asyncio.Event
}

func (c *worldCrew) Go(fn func()) {
	c.n++
	c.place.spawn(func() {
		defer func() {
			if c.n--; c.n == 0 {
				for _, e := range c.waiting {
					e.Set()
				}
				c.waiting = nil
			}
		}()
		fn()
	})
}

func (c *worldCrew) Wait() {
	if c.n > 0 {
		e := asyncio.NewEvent()
		c.waiting = append(c.waiting, e)
		_ = e.Wait(c.place.ctx) // it ends before that only with the loop
	}
}

// A worldCond is where tasks wait.
type worldCond struct {
	place   *worldPlace
	lock    sync.Locker
	waiting []*asyncio.Event
}

func (c *worldCond) Wait() {
	e := asyncio.NewEvent()
	c.waiting = append(c.waiting, e)
	c.lock.Unlock()
	_ = e.Wait(c.place.ctx) // whoever waits looks again
	c.lock.Lock()
}

func (c *worldCond) Signal() {
	if len(c.waiting) > 0 {
		c.waiting[0].Set()
		c.waiting = c.waiting[1:]
	}
}

func (c *worldCond) Broadcast() {
	for len(c.waiting) > 0 {
		c.Signal()
	}
}

// A worldMailbox is a future.
type worldMailbox struct {
	place *worldPlace
	f     *asyncio.Future[*nats.Msg]
}

func (b *worldMailbox) put(m *nats.Msg) {
	if !b.f.Done() {
		_ = b.f.SetResult(m)
	}
}

func (b *worldMailbox) get(d time.Duration) (m *nats.Msg, came bool) {
	m, err := within(b.place, d, b.f)
	return m, err == nil
}

// A worldOutbox sends at once, since that never waits.
type worldOutbox func(outgoing)

func (o worldOutbox) Put(item outgoing) { o(item) }
func (o worldOutbox) Close()            {}
func (o worldOutbox) Wait()             {}

// A worldInbox hands over in a later turn.
type worldInbox struct{ c *Client }

func (b worldInbox) Put(a arrival) { b.c.loop.CallSoon(func() { b.c.arrived(a) }) }
