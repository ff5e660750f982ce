package frontier

import (
	"container/heap"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// Options are the bounds of a [Frontier].
type Options struct {
	Parallel        int           // requests at a time
	ParallelHost    int           // of them to one host
	ParallelAddress int           // of them to one address; 0: no bound
	Wait            time.Duration // between the starts of two requests to a host; 0: none
	RandomWait      bool          // half to one and a half times that
	NoRobots        bool          // rules are not asked for
	IdleHosts       int           // with nothing to do that are kept; 0: 50,000

	Rand func(n time.Duration) time.Duration // less than n, for RandomWait; nil: by chance
}

const (
	// rulesAge is how long rules are good.
	rulesAge = 24 * time.Hour
	// maxAsked is how often rules are asked for before the host is given up.
	maxAsked = 4

	firstBackoff, maxBackoff = time.Second, 5 * time.Minute
	// maxRetryAfter is the longest pause that a server can ask for.
	maxRetryAfter = time.Hour
	// maxPause is the longest pause that comes of a slow host.
	maxPause = 30 * time.Second
	// slowness is how many times as long as a response takes the pause is.
	slowness = 2
	// recovery is how many responses a host must give before one more request
	// at a time goes to it.
	recovery = 10
)

// A Frontier is the queues of all hosts. Times are those of a clock that its
// user has.
type Frontier struct {
	opts   Options
	hosts  map[string]*Host
	groups map[netip.Addr]*address
	ready  ring
	later  byTime
	idle   idleList
	met    Seen // hosts, with those that were forgotten
	seed   maphash.Seed
	queued int
	active int
}

// New returns an empty frontier.
func New(o Options) *Frontier {
	if o.IdleHosts <= 0 {
		o.IdleHosts = defaultIdleHosts
	}
	if o.Rand == nil {
		o.Rand = rand.N[time.Duration]
	}
	return &Frontier{opts: o, seed: maphash.MakeSeed(), hosts: map[string]*Host{}, groups: map[netip.Addr]*address{}}
}

// Queued is how many jobs wait.
func (f *Frontier) Queued() int { return f.queued }

// Active is how many requests are under way.
func (f *Frontier) Active() int { return f.active }

// Hosts returns the hosts that are known, in no order: all that have something to do,
// and of the others those that had it last.
func (f *Frontier) Hosts() map[string]*Host { return f.hosts }

// Met is how many hosts there were, with those that were forgotten.
func (f *Frontier) Met() int { return f.met.Len() }

// Push puts a job at the end of its host's queue.
func (f *Frontier) Push(j Job, now time.Duration) {
	h := f.host(j.URL)
	h.queue.push(j)
	f.queued++
	f.place(h, now)
}

func (f *Frontier) host(u urls.URL) *Host {
	origin := u.Origin()
	h := f.hosts[origin]
	if h == nil {
		u.Target = "/"
		h = &Host{URL: u, limit: f.opts.ParallelHost}
		if f.opts.NoRobots {
			h.Rules, h.rulesUntil = &robots.Rules{}, 1<<63-1
		}
		f.hosts[origin] = h
		f.met.Set(Key(maphash.String(f.seed, origin)&^(1<<stateBits-1)|1<<stateBits), Pending)
	}
	return h
}

// Next returns a job that may start now and counts it as active; [Frontier.Done]
// gives its place back. Hosts take turns. A job of kind [Robots] asks for the
// rules of the host, which [Frontier.SetRules] takes.
func (f *Frontier) Next(now time.Duration) (*Host, Job, bool) {
	if f.active >= f.opts.Parallel {
		return nil, Job{}, false
	}
	for len(f.later) > 0 && f.later[0].next <= now {
		f.place(f.later[0], now)
	}
	h := f.take(now)
	if h == nil {
		return nil, Job{}, false
	}
	var j Job
	if h.knows(now) {
		j = h.queue.pop(h.URL)
		f.queued--
	} else {
		h.asking = true
		j = Job{URL: h.URL, Kind: Robots}
		j.URL.Target = "/robots.txt"
	}
	f.active++
	h.active++
	if h.group != nil {
		h.group.active++
	}
	h.next = max(h.next, now+f.pause(h))
	f.place(h, now)
	return h, j, true
}

// take returns the first host in the list of those that are ready, which still is.
func (f *Frontier) take(now time.Duration) *Host {
	for {
		h := f.ready.take()
		if h == nil {
			return nil
		}
		h.where = nowhere
		if f.judge(h, now) == ready {
			return h
		}
		f.place(h, now)
		if h.group != nil {
			f.wake(h.group, now)
		}
	}
}

// pause is how long to wait after the start of a request to the host.
func (f *Frontier) pause(h *Host) time.Duration {
	d := f.opts.Wait
	if d > 0 {
		d = max(d, min(slowness*h.latency, maxPause))
		if f.opts.RandomWait {
			d = d/2 + f.opts.Rand(d)
		}
	}
	if h.Rules != nil {
		d = max(d, h.Rules.Delay)
	}
	return d
}

// When returns when the next host has waited long enough; false when none waits
// for a time.
func (f *Frontier) When() (time.Duration, bool) {
	if len(f.later) == 0 || f.active >= f.opts.Parallel {
		return 0, false
	}
	return f.later[0].next, true
}

// An Outcome is how a request went, as far as politeness is concerned.
type Outcome struct {
	Unknown    bool // nothing is known of it, as of one that was cancelled
	Failed     bool
	Busy       bool          // the server has asked for fewer requests
	RetryAfter time.Duration // and said for how long
	Latency    time.Duration // 0: not known
	Bytes      int64
	Addr       netip.Addr // that was connected to
}

// Done frees the place of a job.
func (f *Frontier) Done(h *Host, o Outcome, now time.Duration) {
	f.active--
	h.active--
	f.leave(h, now)
	if o.Unknown {
		f.place(h, now)
		return
	}
	f.meet(h, o.Addr, now)
	h.Bytes += o.Bytes
	if o.Failed {
		h.Failed++
	} else {
		h.Pages++
	}
	if o.Latency > 0 {
		if h.latency == 0 {
			h.latency = o.Latency
		}
		h.latency += (o.Latency - h.latency) / 4
	}
	if o.Busy {
		h.slowDown(o.RetryAfter, now)
	} else if h.good++; h.good%recovery == 0 {
		h.backoff = 0
		h.limit = min(h.limit+1, f.opts.ParallelHost)
	}
	f.place(h, now)
}

// slowDown makes the pauses of a host longer and its requests fewer.
func (h *Host) slowDown(retryAfter, now time.Duration) {
	d := maxBackoff
	if h.backoff < 8 {
		d = min(firstBackoff<<h.backoff, maxBackoff)
	}
	// Requests that were under way together are refused together, and count
	// once.
	if now >= h.busyUntil {
		h.backoff++
		h.limit = max(1, h.limit/2)
	}
	h.good = 0
	h.next = max(h.next, now+max(d, min(retryAfter, maxRetryAfter)))
	h.busyUntil = h.next
}

// leave takes the host's request off its address.
func (f *Frontier) leave(h *Host, now time.Duration) {
	if h.group != nil {
		h.group.active--
		f.wake(h.group, now)
	}
}

// wake lets a host go on that waits for room at its address.
func (f *Frontier) wake(g *address, now time.Duration) {
	for len(g.waiting) > 0 && g.active < f.opts.ParallelAddress {
		h := g.waiting[0]
		g.waiting = g.waiting[1:]
		h.where = nowhere
		if f.place(h, now); h.where == ready {
			return
		}
	}
}

// meet takes note of a host's address.
func (f *Frontier) meet(h *Host, a netip.Addr, now time.Duration) {
	if f.opts.ParallelAddress <= 0 || !a.IsValid() || h.where == crowded {
		return
	}
	g := f.groups[a]
	if g == nil {
		g = &address{addr: a}
		f.groups[a] = g
	}
	if h.group != g {
		old := h.group
		h.group = g
		g.hosts++
		g.active += h.active
		if old != nil {
			old.active -= h.active
			f.wake(old, now)
			f.part(old)
		}
	}
}

// part takes a host from an address, which is forgotten with its last one.
func (f *Frontier) part(g *address) {
	if g.hosts--; g.hosts == 0 {
		delete(f.groups, g.addr)
	}
}

// Return puts a job back to the begin of its host's queue.
func (f *Frontier) Return(j Job, now time.Duration) {
	h := f.host(j.URL)
	h.queue.pushFront(j)
	f.queued++
	f.place(h, now)
}

// SetRules takes the rules of a host that were asked for; nil when they could
// not be had, and may be had later. It reports whether the host is given up:
// then nothing of it is allowed.
func (f *Frontier) SetRules(h *Host, r *robots.Rules, now time.Duration) (givenUp bool) {
	h.asking = false
	if r == nil {
		if h.asked++; h.asked < maxAsked {
			h.next = max(h.next, now+firstBackoff<<h.asked)
			f.place(h, now)
			return false
		}
		r, givenUp = robots.DisallowAll(), true
	}
	h.asked = 0
	h.Rules, h.rulesUntil = r, now+rulesAge
	f.place(h, now)
	return givenUp
}

// AskAgain lets the rules of a host be asked for again, where it is not known what
// became of the last time.
func (f *Frontier) AskAgain(h *Host, now time.Duration) {
	h.asking = false
	f.place(h, now)
}

// judge returns the list in which a host belongs now.
func (f *Frontier) judge(h *Host, now time.Duration) placement {
	limit := h.limit
	if h.Rules != nil && h.Rules.Delay > 0 {
		limit = 1
	}
	switch {
	case h.queue.len() == 0 || h.active >= limit || h.asking:
		return nowhere
	case !h.knows(now) && h.active > 0: // rules are asked for alone
		return nowhere
	case h.next > now:
		return later
	case h.group != nil && h.group.active >= f.opts.ParallelAddress:
		return crowded
	}
	return ready
}

// place puts a host into the list where it belongs now. One that is ready, or
// waits for its address, is looked at again when its turn comes.
func (f *Frontier) place(h *Host, now time.Duration) {
	switch h.where {
	case ready, crowded:
		return
	case later:
		heap.Remove(&f.later, h.index)
	}
	h.where = f.judge(h, now)
	switch h.where {
	case later:
		heap.Push(&f.later, h)
	case crowded:
		h.group.waiting = append(h.group.waiting, h)
	case ready:
		f.ready.add(h)
	}
	f.rest(h, now)
}
