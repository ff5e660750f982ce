package remote

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/direct"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// MemberOptions are those of [Serve].
type MemberOptions struct {
	URL          string // of NATS; empty: that of the environment
	Places       int    // fetches at a time
	AllowPrivate bool   // owners may have private addresses fetched
	Grace        time.Duration
	Log          *slog.Logger
	// Note is called, on the loop, with what a user may want to know.
	Note func(format string, args ...any)
}

// member makes fetches for owners. It belongs to its loop.
type member struct {
	opts  MemberOptions
	loop  *asyncio.Loop
	nc    *nats.Conn
	in    *natslink.Inbox[*nats.Msg]
	out   *natslink.Outbox[nats.Msg]
	most  int // bytes of a message
	me    Member
	began map[uint64]time.Duration // when beats were sent
	crews map[string]*crew
	timer *asyncio.TimerHandle
	idle  *asyncio.Event
}

// crew is what a member does for an owner of a crawl.
type crew struct {
	m          *member
	crawl      string
	generation int64
	reply      string
	settingsID string
	fetcher    *direct.Fetcher // nil while the settings are not known
	until      time.Duration   // the lease
	running    map[uint64]*asyncio.Task[*fetch.Response]
	report     report
	size       int // of the report, about
	flush      *asyncio.TimerHandle
}

// Serve is a member until ctx ends: then it takes no more, and waits for what it does
// for as long as the options say. It runs in a coroutine, and needs no state.
func Serve(ctx context.Context, opts MemberOptions) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	m := &member{
		opts: opts, loop: loop, me: Member{ID: nuid.Next(), Host: host, Process: os.Getpid(), Places: opts.Places},
		began: map[uint64]time.Duration{}, crews: map[string]*crew{}, idle: asyncio.NewEvent(),
	}
	m.in = natslink.NewInbox(loop, m.received, func() {})
	m.nc, err = connect(ctx, opts.URL, "crawl member", opts.Log, func(nc *nats.Conn) error {
		return subscribe(nc, m.in, memberSubject+m.me.ID, statusSubject)
	})
	if err != nil {
		return err
	}
	m.most = int(m.nc.MaxPayload()) / 2
	m.out = natslink.NewOutbox(func(msg nats.Msg) { _ = m.nc.PublishMsg(&msg) }) // what is lost is asked for again
	m.beat()
	err = asyncio.NewEvent().Wait(ctx)
	m.leave(ctx)
	if asyncio.IsCancelled(err) {
		return nil
	}
	return err
}

// leave ends what is under way.
func (m *member) leave(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	m.me.Leaving = true
	m.tell(beatSubject)
	if m.me.Running > 0 && m.opts.Grace > 0 {
		m.idle.Clear()
		_ = asyncio.Timeout(ctx, m.opts.Grace, m.idle.Wait)
	}
	for _, c := range m.crews {
		c.end()
		c.send()
	}
	m.timer.Cancel()
	m.me.Left = true
	m.tell(beatSubject)
	_ = disconnect(ctx, m.loop, m.nc, m.out)
}

// beat tells that this member is there, and ends what is done for owners that have
// not told for long that they are.
func (m *member) beat() {
	now := m.loop.Time()
	m.me.Beat++
	m.began[m.me.Beat] = now
	delete(m.began, m.me.Beat-uint64(2*lease/beatEvery))
	for name, c := range m.crews {
		c.check(now)
		if now > c.until+crewTime && len(c.running) == 0 {
			c.end()
			delete(m.crews, name)
		}
	}
	m.tell(beatSubject)
	m.timer = m.loop.CallLater(beatEvery, m.beat)
}

// crewTime is how long connections and settings are kept for an owner that is silent.
const crewTime = time.Minute

func (m *member) tell(to string) {
	if b, err := json.Marshal(m.me); err == nil {
		m.out.Put(nats.Msg{Subject: to, Data: b})
	}
}

// received takes a message, on the loop.
func (m *member) received(msg *nats.Msg) {
	if m.me.Left {
		return
	}
	if msg.Subject == statusSubject {
		if msg.Reply != "" {
			m.tell(msg.Reply)
		}
		return
	}
	o, err := decode[order]("an order", msg.Data)
	if err != nil {
		m.opts.Note("of an owner: %v", err)
		return
	}
	m.ordered(o)
}

// ordered takes an order.
func (m *member) ordered(o *order) {
	now := m.loop.Time()
	c := m.crews[o.Crawl]
	switch {
	case c != nil && o.Generation < c.generation:
		return // of an owner that is no more
	case c != nil && o.Generation > c.generation:
		c.end()
		fallthrough
	case c == nil:
		c = &crew{m: m, crawl: o.Crawl, generation: o.Generation, running: map[uint64]*asyncio.Task[*fetch.Response]{}}
		c.report.Member = m.me.ID
		m.crews[o.Crawl] = c
	}
	c.reply = o.Reply
	c.check(now)
	sent, known := m.began[o.Beat]
	if !known || now > sent+lease {
		c.refuse(o.Fetches) // it has waited for too long: its owner may have given it up
		return
	}
	c.until = max(c.until, sent+lease)
	if o.Settings != nil && o.SettingsID != c.settingsID {
		c.set(o)
	}
	for _, n := range o.Cancel {
		if t := c.running[n]; t != nil {
			t.Cancel()
		}
	}
	switch {
	case c.fetcher == nil || o.SettingsID != c.settingsID:
		c.report.Unset = true
		c.refuse(o.Fetches)
	case m.me.Leaving:
		c.refuse(o.Fetches)
	default:
		free := max(0, m.opts.Places-m.me.Running)
		c.refuse(o.Fetches[min(free, len(o.Fetches)):])
		for _, j := range o.Fetches[:min(free, len(o.Fetches))] {
			c.begin(j)
		}
	}
	c.asked(o.Ask)
}

// set makes a fetcher with an owner's settings.
func (c *crew) set(o *order) {
	s, err := decode[Settings]("the settings of a crawl", o.Settings)
	var options fetch.Options
	if err == nil {
		options, err = s.options()
	}
	var f *direct.Fetcher
	if err == nil {
		f, err = direct.New(c.m.loop, options, c.m.opts.Places, s.AllowPrivate && c.m.opts.AllowPrivate)
	}
	if err != nil {
		c.m.opts.Note("of an owner: %v", err)
		return
	}
	if c.fetcher != nil {
		_ = c.fetcher.Close()
	}
	c.fetcher, c.settingsID = f, o.SettingsID
}

// check cancels what is done for an owner whose lease is over: it may have given
// that to others.
func (c *crew) check(now time.Duration) {
	if now > c.until {
		for _, t := range c.running {
			t.Cancel()
		}
	}
}

// end cancels everything and closes connections.
func (c *crew) end() {
	for _, t := range c.running {
		t.Cancel()
	}
	if c.fetcher != nil {
		_ = c.fetcher.Close()
		c.fetcher = nil
	}
}

// refuse reports jobs that were not begun.
func (c *crew) refuse(jobs []job) {
	for _, j := range jobs {
		c.report.Refused = append(c.report.Refused, j.N)
	}
	if len(jobs) > 0 || c.report.Unset {
		c.flushSoon(1)
	}
}

// asked reports which jobs this member does not have.
func (c *crew) asked(all []uint64) {
	for _, n := range all {
		if c.running[n] == nil {
			c.report.Lost = append(c.report.Lost, n)
			c.flushSoon(8)
		}
	}
}

// begin makes a fetch, as a task of its own.
func (c *crew) begin(j job) {
	m := c.m
	if c.running[j.N] != nil {
		return
	}
	u, err := url.Parse(j.URL)
	if err != nil {
		c.answer(newResult(j.N, failedResponse(j.URL, err)))
		return
	}
	m.me.Running++
	fetcher := c.fetcher
	t := asyncio.CreateTaskOn(m.loop, func(ctx context.Context) (*fetch.Response, error) {
		return fetcher.Get(ctx, &fetch.Request{URL: u, Limit: j.Limit, Cut: j.Cut, Keep: j.Keep})
	})
	c.running[j.N] = t
	// Not at the end of its function, which does not run if it is cancelled before.
	t.AddDoneCallback(func() { c.ended(j.N, t) })
}

// ended takes the response of a fetch, or that it was cancelled.
func (c *crew) ended(n uint64, t *asyncio.Task[*fetch.Response]) {
	delete(c.running, n)
	m := c.m
	if m.me.Running--; m.me.Running == 0 {
		m.idle.Set()
	}
	r, err := t.Result()
	if err != nil {
		c.report.Lost = append(c.report.Lost, n)
		c.flushSoon(8)
		return
	}
	m.me.Fetched++
	c.answer(newResult(n, r))
}

func failedResponse(text string, err error) *fetch.Response {
	return &fetch.Response{Result: fetch.Result{URL: text, Err: &fetch.Error{Code: fetch.BadURL, URL: text, Err: err}}}
}

// answer puts a result into the next report, or sends it in pieces.
func (c *crew) answer(r *result) {
	if r.size() > c.m.most/2 {
		c.sendPieces(r)
		return
	}
	c.report.Results = append(c.report.Results, *r)
	c.flushSoon(r.size())
}

// sendPieces sends a result by itself, in as many messages as it takes.
func (c *crew) sendPieces(r *result) {
	b, err := gobvalue.Encode(r)
	if err != nil {
		c.m.opts.Note("a result: %v", err) // the owner asks for it, and hears that it is lost
		return
	}
	for index := uint64(0); ; index++ {
		n := min(len(b), c.m.most)
		p := piece{n: r.N, index: index, last: n == len(b), data: b[:n]}
		c.m.out.Put(nats.Msg{Subject: c.reply, Data: p.encode()})
		if b = b[n:]; p.last {
			return
		}
	}
}

// reportEvery is how long results are gathered for a report.
const reportEvery = time.Millisecond

// flushSoon sends the report when it has gathered for long enough, or is large.
func (c *crew) flushSoon(more int) {
	if c.size += more; c.size > c.m.most/2 {
		c.send()
		return
	}
	if c.flush == nil {
		c.flush = c.m.loop.CallLater(reportEvery, c.send)
	}
}

// send sends the report.
func (c *crew) send() {
	if c.flush != nil {
		c.flush.Cancel()
		c.flush = nil
	}
	r := c.report
	c.report, c.size = report{Member: r.Member}, 0
	if len(r.Results)+len(r.Refused)+len(r.Lost) == 0 && !r.Unset {
		return
	}
	b, err := encodeReport(&r)
	if err != nil {
		c.m.opts.Note("a report: %v", err)
		return
	}
	c.m.out.Put(nats.Msg{Subject: c.reply, Data: b})
}
