package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/asyncio-go/asyncio"
)

// setupTime bounds how long it may take to make the streams of a cluster.
const setupTime = 10 * time.Second

// A Client submits jobs to a cluster, and brings their results to its loop. It is
// what an executor is for functions of this machine.
//
// It belongs to the loop on which it was connected, and its methods, as the
// functions that take it, are for that loop's goroutine. It must be closed.
type Client struct {
	loop    *asyncio.Loop
	config  *config
	place   place
	nc      link
	streams *streams
	name    string // of this client, in subjects
	inbox   string // the prefix of what it listens to
	inline  int

	room     *asyncio.Semaphore // as many as there may be jobs under way
	calls    map[uint64]*call
	ghosts   map[uint64]*call   // cancelled, while it is not known whether NATS has them
	attached map[string][]*call // those that wait for another's job, by hash
	n        uint64             // of the last call
	unstored int                // calls that NATS has not taken yet
	stored   *asyncio.Event     // set while there are none
	check    *asyncio.TimerHandle
	looks    []*call // whose results are asked for at the end of this turn
	lookups  lookups
	asked    []*call // whose jobs are being asked about
	askedAt  time.Duration
	members  *members // nil until somebody asks for workers
	closing  bool     // no more jobs are taken
	closed   bool

	opened atomic.Bool // whether it came to be, or was given up, is decided
	out    *outbox
	in     inbound
	ctx    context.Context // of the goroutines; ends when the client is closed
	cancel context.CancelFunc
	others crew // those who wait for NATS, but for the sender
}

// Connect connects to the cluster at a NATS system, for the running task's loop,
// and suspends the task until it can be used. The url is one of NATS, or several
// with commas between them; without one it is in the environment (NATS_URL, and
// NATS_TOKEN, NATS_CREDS, NATS_CA, NATS_CERT, NATS_KEY), or else
// nats://127.0.0.1:4222. A connection that is lost later is made again by itself.
func Connect(ctx context.Context, url string, opts ...ConnectOption) (*Client, error) {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	cfg := newConfig()
	for _, o := range opts {
		o.applyConnect(cfg)
	}
	if cfg.err != nil {
		return nil, cfg.err
	}
	at := placeOf(ctx)
	c := &Client{
		loop: loop, config: cfg, place: at, others: at.crew(), name: at.id(),
		room: asyncio.NewSemaphore(cfg.pending), calls: map[uint64]*call{}, ghosts: map[uint64]*call{}, attached: map[string][]*call{},
		stored: asyncio.NewEvent(),
	}
	c.stored.Set()
	c.lookups.asked = map[uint64]*lookup{}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.in = inbound{at.inbox(c)}
	if err := at.beside(ctx, func(ctx context.Context) error { return c.open(ctx, url) }); err != nil {
		c.closing, c.closed = true, true
		c.cancel()
		if !c.opened.CompareAndSwap(false, true) { // in the same moment
			c.out.Close()
			c.others.Go(c.nc.Close)
		}
		return nil, err
	}
	if cfg.onWorker != nil {
		if err := c.watchWorkers(); err != nil {
			_ = c.Close(ctx)
			return nil, err
		}
	}
	return c, nil
}

// open connects, on a goroutine of the executor. When it is no longer wanted
// nothing of it stays.
func (c *Client) open(ctx context.Context, url string) error {
	nc, err := c.place.connect(c.config, url, "client", func() {
		if c.opened.Load() {
			c.in.post(c.reconnected)
		}
	})
	if err != nil {
		return err
	}
	opened := false
	defer func() {
		if !opened {
			nc.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	js, err := nc.jetStream()
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.streams = newStreams(c.config, c.place, nc, js)
	if err := c.streams.ensure(ctx, c.config); err != nil {
		return err
	}
	c.inbox, c.inline = nc.NewInbox(), inlineLimit(nc)
	if _, err := nc.listen(c.inbox+".>", c.in.message); err != nil {
		return err
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("cluster: listen for results: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c.nc = nc
	c.out = newOutbox(c)
	if opened = c.opened.CompareAndSwap(false, true); !opened {
		c.out.Close()
		return ErrClosed // nobody waits for it any more
	}
	return nil
}

// Close waits until all submitted jobs are in the cluster, and lets go of it.
// Futures whose results have not come fail with [ErrClosed]; their jobs go on.
// When the wait is cancelled, or ctx ends, it closes at once and returns that
// error. It suspends the running task. A second call does nothing.
func (c *Client) Close(ctx context.Context) error {
	if c.closing {
		return nil
	}
	c.closing = true
	err := c.stored.Wait(ctx)
	c.closed = true
	if c.check != nil {
		c.check.Cancel()
		c.check = nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.calls)) {
		call := c.calls[n]
		c.forget(call)
		call.target.fail(ErrClosed)
	}
	c.cancel()
	c.out.Close()
	// Not to be cut off: a goroutine that stays is a leak, and none of them waits
	// for anybody now.
	done := c.place.finish(c.loop, func() {
		c.out.Wait()
		c.others.Wait()
		c.nc.Close()
	})
	for !done.Done() {
		if _, e := asyncio.Shield(context.WithoutCancel(ctx), done); e != nil {
			if err == nil {
				err = e
			}
			if errors.Is(e, asyncio.ErrLoopClosed) {
				break
			}
		}
	}
	return err
}

// Pending returns how many jobs of this client are under way.
func (c *Client) Pending() int { return len(c.calls) }

// target is the future of a call, whatever its type.
type target interface {
	decode(p []byte) error // of any goroutine, before done
	done()                 // sets what was decoded
	fail(err error)
}

// call is a job of this client that is under way.
type call struct {
	n        uint64
	target   target
	job      job
	hash     string // of a job with a key
	subject  string
	message  []byte // what is published
	large    []byte // an argument that is too large for the message
	storing  bool   // it is on its way to the store
	kept     bool   // it is there
	progress func(Progress)

	phase    phase
	due      time.Duration // when to look after it
	pause    time.Duration // until it is looked after again
	missing  int           // how often it was not found in the stream
	refused  int           // how often NATS has not taken it,
	failed   int           // and for another reason than want of room
	offers   int           // how often it was published
	ended    bool
	follower bool // it waits for another's job with the same key
}

// phase is how far a call has come.
type phase byte

const (
	looking   phase = iota // whether there is a result for its key
	offered                // published, and not acknowledged
	waiting                // it was refused, and is offered again when it is due
	submitted              // in the stream
)

// start brings a call on its way.
func (c *Client) start(k *call) {
	c.n++
	k.n = c.n
	n := strconv.FormatUint(k.n, 36)
	k.job.id = c.name + "." + n
	k.job.reply = c.inbox + ".r"
	k.subject = c.streams.jobSubject(c.name, n)
	if k.job.key != "" {
		k.hash = hashOf(k.job.function, k.job.key)
		k.subject = c.streams.keySubject(k.hash)
	}
	if len(k.job.arg) > c.inline {
		k.large, k.job.arg, k.job.object = k.job.arg, []byte("a."+k.job.id), true
	}
	k.message = k.job.encode()
	k.job.arg = nil // it is in the message
	c.calls[k.n] = k
	c.unstored++
	c.stored.Clear()
	if k.hash != "" {
		c.look(k)
	} else {
		c.offer(k)
	}
	c.arm()
}

// offer publishes a job.
func (c *Client) offer(k *call) {
	if k.phase == submitted {
		c.unstored++
		c.stored.Clear()
	}
	k.phase, k.due, k.missing = offered, c.loop.Time()+answerTime, 0
	if k.large != nil && !k.kept {
		c.storeArgument(k)
		return
	}
	// Its subject is its own, so what was offered before and is there is not stored
	// twice.
	c.out.publish(k.subject, c.about("a", k), k.message, k.hash != "" || k.offers > 0)
	k.offers++
}

// about is the subject by which NATS answers a question about a call.
func (c *Client) about(what string, k *call) string {
	return c.inbox + "." + what + "." + strconv.FormatUint(k.n, 36)
}

// storeArgument puts a large argument into the store, and then the job into its
// stream.
func (c *Client) storeArgument(k *call) {
	k.due, k.storing = c.loop.Time()+setupTime+answerTime, true
	name, value := "a."+k.job.id, k.large
	c.others.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, setupTime)
		defer cancel()
		err := c.streams.putObject(ctx, name, value)
		c.in.post(func() {
			k.storing = false
			switch {
			case k.ended:
				c.out.drop(name)
			case err != nil:
				c.refuse(k, err)
			default:
				k.kept = true
				c.offer(k)
			}
		})
	})
}

// inStream notes that NATS has a job.
func (c *Client) inStream(k *call) {
	if k.phase != submitted {
		if c.unstored--; c.unstored == 0 {
			c.stored.Set()
		}
	}
	k.phase, k.pause, k.refused, k.failed = submitted, firstCheck, 0, 0
	k.due = c.loop.Time() + k.pause
}

// forget ends what the client does for a call.
func (c *Client) forget(k *call) {
	if k.ended {
		return
	}
	k.ended = true
	delete(c.calls, k.n)
	if k.phase != submitted {
		if c.unstored--; c.unstored == 0 {
			c.stored.Set()
		}
	}
	c.detach(k)
	c.room.Release()
}

// cancelled is called when the future of a call was cancelled: the job shall not
// be done, wherever it is. One that another client has submitted too, by its key,
// is left to it by those who only wait for it.
func (c *Client) cancelled(k *call) {
	phase := k.phase
	c.forget(k)
	switch {
	case k.follower:
	case phase == submitted:
		c.withdraw(k)
	case phase == offered:
		// It cannot be removed before it is there.
		c.ghosts[k.n] = k
	}
}

// withdraw ends a job that is in the cluster.
func (c *Client) withdraw(k *call) {
	c.out.publish(c.streams.cancelSubject(), "", []byte(k.job.id), false)
	c.out.purge(k.subject)
	if k.job.object {
		c.out.drop("a." + k.job.id)
	}
}

// settle ends a call with a reply.
func (c *Client) settle(k *call, r reply) {
	switch r.kind {
	case replyProgress:
		if p, err := decodeProgress(r.body); err == nil && k.progress != nil {
			k.progress(p)
		}
		k.due = max(k.due, c.loop.Time()+firstCheck)
		return
	case replyCancelled: // by another, who had the same key
		c.resubmit(k)
		return
	case replyValue:
		if r.object {
			c.fetchResult(k, string(r.body))
			return
		}
		c.finish(k, k.target.decode(r.body))
	default:
		c.finish(k, r.failure(k.job.function))
	}
}

// finish sets a call's future.
func (c *Client) finish(k *call, err error) {
	if k.ended {
		return
	}
	c.forget(k)
	if err != nil {
		k.target.fail(err)
	} else {
		k.target.done()
	}
}

// fetchResult gets a large result from the store, and decodes it beside the loop.
func (c *Client) fetchResult(k *call, name string) {
	c.inStream(k)
	k.due = c.loop.Time() + setupTime + answerTime
	c.others.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, setupTime)
		defer cancel()
		p, err := c.streams.getObject(ctx, name)
		if err == nil && k.hash == "" {
			c.out.drop(name) // that of a key is for others too
		}
		var bad error
		if err == nil {
			bad = k.target.decode(p)
		}
		c.in.post(func() {
			switch {
			case k.ended:
			case errors.Is(err, jetstream.ErrObjectNotFound):
				c.resubmit(k)
			case err != nil:
				k.due = c.loop.Time() + firstCheck // look after it again
			default:
				c.finish(k, bad)
			}
		})
	})
}

// resubmit offers a job again whose result was lost, or that was.
func (c *Client) resubmit(k *call) {
	c.detach(k)
	k.follower, k.kept = false, false
	c.config.log.Debug("cluster: a job is submitted again", "function", k.job.function, "id", k.job.id)
	c.offer(k)
}

// answered takes what has come about a call.
func (c *Client) answered(m *nats.Msg) {
	what, n, _ := strings.Cut(m.Subject[len(c.inbox)+1:], ".")
	if what == "r" {
		c.replied(m.Data)
		return
	}
	if what == "i" {
		c.present(m)
		return
	}
	number, err := strconv.ParseUint(n, 36, 64)
	if err != nil {
		return
	}
	if what == "m" {
		c.looked(number, m)
		return
	}
	k := c.calls[number]
	if k == nil {
		if g := c.ghosts[number]; g != nil && what == "a" {
			delete(c.ghosts, number)
			if _, err := problem(m); err == nil {
				c.withdraw(g)
			}
		}
		return // it was cancelled, or is done
	}
	switch what {
	case "a":
		c.acknowledged(k, m)
	case "x":
		c.found(k, m)
	}
}

// replied takes what a worker says of a job of this client.
func (c *Client) replied(p []byte) {
	r, err := decodeReply(p)
	if err != nil {
		c.config.log.Warn("cluster: a worker's reply", "error", err)
		return
	}
	client, n, _ := strings.Cut(r.id, ".")
	number, err := strconv.ParseUint(n, 36, 64)
	if err != nil || client != c.name {
		return
	}
	if k := c.calls[number]; k != nil {
		c.settle(k, r)
	}
}
