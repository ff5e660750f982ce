package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// ErrLost is returned for a fetch whose member is gone, or has given it up: whether
// it was made is not known. Nothing is done for it any more.
var ErrLost = errors.New("the member that made the fetch is gone")

// ErrClosed is returned for a fetch of an owner that is closed.
var ErrClosed = errors.New("the owner is closed")

// OwnerOptions are those of [Connect].
type OwnerOptions struct {
	URL      string // of NATS; empty: that of the environment
	Crawl    string // a name that stays when the crawl is resumed
	Settings *Settings
	// Resumed is whether members may still work for a process that had the crawl
	// before: nothing is given to them until its lease must be over.
	Resumed bool
	Log     *slog.Logger
	// Note is called, on the loop, with what a user may want to know.
	Note func(format string, args ...any)
	// Status returns how far the crawl is, for those who ask; on the loop.
	Status func() CrawlStatus
}

// An Owner gives the fetches of one crawl to members. It belongs to the loop on which
// it was made, and all its methods are for that loop's goroutine.
type Owner struct {
	opts       OwnerOptions
	loop       *asyncio.Loop
	nc         *nats.Conn
	in         *natslink.Inbox[*nats.Msg]
	out        *natslink.Outbox[nats.Msg]
	reply      string
	generation int64
	settings   []byte
	settingsID string

	n        uint64
	calls    map[uint64]*call // given to members
	waiting  []*call          // to be given, in order
	peers    map[string]*peer
	timer    *asyncio.TimerHandle
	looked   time.Duration // when the timer ran last
	from     time.Duration // when the first fetch may be given
	warned   bool          // that there is no member
	flushing bool
	closed   bool
	lost     int // fetches whose members were lost
}

// call is a fetch under way.
type call struct {
	n       uint64
	q       *fetch.Request
	f       *asyncio.Future[*fetch.Response]
	peer    *peer // nil while it waits
	sent    time.Duration
	settled bool // nothing is to be done for it any more
	pieces  []byte
	next    uint64 // piece
}

// peer is what the owner knows of a member.
type peer struct {
	Member
	heard   time.Duration
	silent  bool
	full    bool // it has refused something since it was heard last
	set     bool // it has the settings
	active  map[uint64]*call
	fetches []job // of the next order
	cancel  []uint64
	pinged  time.Duration
}

// Connect connects to NATS, for the running task's loop, and suspends the task until
// that is done.
func Connect(ctx context.Context, opts OwnerOptions) (*Owner, error) {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	o := &Owner{
		opts: opts, loop: loop, generation: time.Now().UnixNano(),
		calls: map[uint64]*call{}, peers: map[string]*peer{},
	}
	if o.settings, o.settingsID, err = opts.Settings.encode(); err != nil {
		return nil, err
	}
	o.in = natslink.NewInbox(loop, o.received, func() {})
	if o.nc, err = connect(ctx, opts.URL, "crawl owner", opts.Log, func(nc *nats.Conn) error {
		o.reply = nc.NewInbox()
		return subscribe(nc, o.in, o.reply, beatSubject, statusSubject)
	}); err != nil {
		return nil, err
	}
	o.out = natslink.NewOutbox(func(m nats.Msg) { _ = o.nc.PublishMsg(&m) }) // what is lost is asked for again
	o.from, o.looked = loop.Time(), loop.Time()
	if opts.Resumed {
		o.from += giveUp
	}
	o.timer = loop.CallLater(beatEvery, o.look)
	return o, nil
}

// Get has a member make the fetch, and suspends the running task until there is its
// response. While there is no member with room it waits for one.
func (o *Owner) Get(ctx context.Context, q *fetch.Request) (*fetch.Response, error) {
	if o.closed {
		return nil, ErrClosed
	}
	o.n++
	c := &call{n: o.n, q: q, f: asyncio.NewFuture[*fetch.Response](o.loop)}
	o.waiting = append(o.waiting, c)
	o.give()
	r, err := c.f.Await(ctx)
	if err != nil && !c.settled { // nobody waits for it any more
		o.drop(c)
	}
	return r, err
}

// drop ends a call that was cancelled.
func (o *Owner) drop(c *call) {
	c.settled = true
	if c.peer == nil {
		o.waiting = slices.DeleteFunc(o.waiting, func(w *call) bool { return w == c })
		return
	}
	c.peer.cancel = append(c.peer.cancel, c.n)
	o.take(c)
	o.flushSoon()
}

// take takes a call from its member.
func (o *Owner) take(c *call) {
	delete(o.calls, c.n)
	delete(c.peer.active, c.n)
}

// give gives calls that wait to the members with the most room.
func (o *Owner) give() {
	if o.loop.Time() < o.from {
		return
	}
	given := 0
	for _, c := range o.waiting {
		p := o.roomiest()
		if p == nil {
			break
		}
		c.peer, c.sent = p, o.loop.Time()
		p.active[c.n], o.calls[c.n] = c, c
		p.fetches = append(p.fetches, job{N: c.n, URL: c.q.URL.String(), Limit: c.q.Limit, Cut: c.q.Cut, Keep: c.q.Keep})
		given++
	}
	if given > 0 {
		o.waiting = slices.Delete(o.waiting, 0, given)
		o.flushSoon()
	}
}

// roomiest returns the member with the most free places in proportion to all.
func (o *Owner) roomiest() *peer {
	var best *peer
	for _, p := range o.peers {
		if p.silent || p.full || p.Leaving || len(p.active) >= p.Places {
			continue
		}
		if best == nil || len(p.active)*best.Places < len(best.active)*p.Places {
			best = p
		}
	}
	return best
}

// flushSoon sends what members are to be told at the end of this turn.
func (o *Owner) flushSoon() {
	if o.flushing {
		return
	}
	o.flushing = true
	o.loop.CallSoon(func() {
		o.flushing = false
		for _, p := range o.peers {
			if len(p.fetches)+len(p.cancel) > 0 && !o.closed {
				o.send(p, nil)
			}
		}
	})
}

// maxJobs is how many fetches an order has at most: it must fit into a message.
const maxJobs = 128

// send tells a member what it is to do, and asks for jobs.
func (o *Owner) send(p *peer, ask []uint64) {
	p.pinged = o.loop.Time()
	for {
		n := min(len(p.fetches), maxJobs)
		msg := order{
			Crawl: o.opts.Crawl, Generation: o.generation, Reply: o.reply, Beat: p.Beat,
			SettingsID: o.settingsID, Fetches: p.fetches[:n], Cancel: p.cancel, Ask: ask,
		}
		if !p.set {
			msg.Settings, p.set = o.settings, true
		}
		b, err := gobvalue.Encode(&msg)
		if err != nil {
			o.opts.Note("an order to a member: %v", err) // its jobs are asked for, and found lost
		} else {
			o.out.Put(nats.Msg{Subject: memberSubject + p.ID, Data: b})
		}
		p.fetches, p.cancel, ask = p.fetches[n:], nil, nil
		if len(p.fetches) == 0 {
			p.fetches = nil
			return
		}
	}
}

// received takes a message, on the loop.
func (o *Owner) received(m *nats.Msg) {
	switch {
	case o.closed:
	case m.Subject == beatSubject:
		o.heard(m.Data)
	case m.Subject == statusSubject:
		o.answer(m.Reply)
	case len(m.Data) > 0 && m.Data[0] == kindPiece:
		o.piece(m.Data)
	case len(m.Data) > 0 && m.Data[0] == kindReport:
		r, err := decode[report]("a report", m.Data[1:])
		if err != nil {
			o.opts.Note("of a member: %v", err)
			return
		}
		o.reported(r)
	}
}

// heard takes what a member tells of itself.
func (o *Owner) heard(b []byte) {
	var m Member
	if json.Unmarshal(b, &m) != nil || m.ID == "" || strings.ContainsAny(m.ID, ".*> ") {
		return
	}
	p := o.peers[m.ID]
	switch {
	case m.Left:
		if p != nil {
			o.lose(p, "has left")
		}
		return
	case p == nil:
		p = &peer{active: map[uint64]*call{}}
		o.peers[m.ID] = p
		o.opts.Note("member %d on %s is there, with %d places", m.Process, m.Host, m.Places)
	case p.silent:
		o.opts.Note("member %d on %s is heard of again", m.Process, m.Host)
	}
	p.Member, p.heard, p.silent, p.full = m, o.loop.Time(), false, false
	o.give()
}

// lose gives up what a member has of this crawl.
func (o *Owner) lose(p *peer, how string) {
	delete(o.peers, p.ID)
	if n := len(p.active); n > 0 {
		o.opts.Note("member %d on %s %s: %d fetches are made again", p.Process, p.Host, how, n)
	}
	for _, c := range inOrder(p.active) {
		o.lostCall(c)
	}
}

func (o *Owner) lostCall(c *call) {
	o.lost++
	o.take(c)
	o.settle(c, nil, ErrLost)
}

// settle sets the future of a call.
func (o *Owner) settle(c *call, r *fetch.Response, err error) {
	c.settled = true
	switch {
	case c.f.Done():
	case err != nil:
		_ = c.f.SetError(err)
	default:
		_ = c.f.SetResult(r)
	}
}

// inOrder returns calls, the newest first: they go back to the front of queues.
func inOrder(all map[uint64]*call) []*call {
	list := make([]*call, 0, len(all))
	for _, c := range all {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *call) int { return cmp.Compare(b.n, a.n) })
	return list
}

// reported takes what a member has done.
func (o *Owner) reported(r *report) {
	p := o.peers[r.Member]
	for i := range r.Results {
		o.result(&r.Results[i])
	}
	for _, n := range r.Lost {
		if c := o.calls[n]; c != nil && c.peer == p {
			o.lostCall(c)
		}
	}
	if p != nil && r.Unset {
		p.set = false
	}
	for _, n := range r.Refused {
		// It has not begun, so another may have it at once.
		if c := o.calls[n]; c != nil && c.peer == p {
			o.take(c)
			c.peer, p.full = nil, !r.Unset
			o.waiting = append(o.waiting, c)
		}
	}
	o.give()
}

func (o *Owner) result(r *result) {
	if c := o.calls[r.N]; c != nil {
		o.take(c)
		o.settle(c, r.response(), nil)
	}
}

// look finds members that are silent, gives up those that were silent for long, and
// tells the others that this owner is there.
func (o *Owner) look() {
	if o.closed {
		return
	}
	o.timer = o.loop.CallLater(beatEvery, o.look)
	now := o.loop.Time()
	if now-o.looked > silence { // this process stood still, and has not heard anybody
		for _, p := range o.peers {
			p.heard = now
		}
	}
	o.looked = now
	for _, p := range o.peers {
		switch quiet := now - p.heard; {
		case quiet > giveUp:
			o.lose(p, "is gone")
		case quiet > silence && !p.silent:
			p.silent = true
			o.opts.Note("member %d on %s is silent", p.Process, p.Host)
		case !p.silent && now-p.pinged >= beatEvery/2:
			o.send(p, p.overdue(now))
		}
	}
	if len(o.peers) == 0 && len(o.waiting) > 0 && !o.warned && now-o.from > time.Second {
		o.warned = true
		o.opts.Note("no member is there yet: asyncio crawl member starts one")
	}
	o.give()
}

// askAfter is how old a fetch is when its member is asked for it.
const askAfter = time.Second

// overdue returns the fetches that a member should have begun long ago: a message may
// have been lost.
func (p *peer) overdue(now time.Duration) (ask []uint64) {
	for n, c := range p.active {
		if now-c.sent > askAfter {
			ask = append(ask, n)
		}
	}
	slices.Sort(ask)
	return ask
}

// Lost returns how many fetches were lost with their members.
func (o *Owner) Lost() int { return o.lost }

// Members returns the members of which the owner has heard, and not given up.
func (o *Owner) Members() []Member {
	var all []Member
	for _, p := range o.peers {
		all = append(all, p.Member)
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// answer tells who asks how far the crawl is.
func (o *Owner) answer(to string) {
	if to == "" || o.opts.Status == nil {
		return
	}
	s := o.opts.Status()
	s.Lost = o.lost
	for _, p := range o.peers {
		s.Active += len(p.active)
	}
	if b, err := json.Marshal(s); err == nil {
		o.out.Put(nats.Msg{Subject: to, Data: b})
	}
}

// Close tells members that nothing is wanted any more, and lets go of NATS. It
// suspends the running task. A second call does nothing.
func (o *Owner) Close(ctx context.Context) error {
	if o.closed {
		return nil
	}
	for _, c := range slices.Concat(o.waiting, inOrder(o.calls)) {
		if c.peer != nil {
			c.peer.cancel = append(c.peer.cancel, c.n)
		}
		o.settle(c, nil, ErrClosed)
	}
	for _, p := range o.peers {
		if len(p.cancel) > 0 {
			o.send(p, nil)
		}
	}
	o.closed = true
	o.timer.Cancel()
	return disconnect(ctx, o.loop, o.nc, o.out)
}
