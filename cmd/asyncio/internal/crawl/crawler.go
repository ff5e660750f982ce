package crawl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// crawler moves URLs from the frontier to the fetcher, from there to the ledger,
// and the new ones back to the frontier. All of it belongs to the loop's
// goroutine, but for the ledger, which one thread uses at a time.
type crawler struct {
	opts    *Options
	io      fetch.Streams
	loop    *asyncio.Loop
	fetcher Fetcher
	agent   string

	front  *frontier.Frontier
	ledger *ledger
	disk   *asyncio.ThreadPoolExecutor     // one thread, for the ledger
	tasks  map[*asyncio.Task[struct{}]]int // and the how manieth each is
	begun  int
	timer  *asyncio.TimerHandle

	done       []*page // that wait to be committed
	writing    int     // pages of the batch that is
	held       int64   // bytes of bodies that are not
	committing bool
	resumed    bool // files may be there that the journal does not know

	stopping bool // nothing more is started
	fatal    error
	idle     *asyncio.Future[struct{}]

	stats stats
	view  *view
}

// maxHeld is how many bytes of bodies may wait to be saved before nothing more
// is started.
const maxHeld = 256 << 20

// maxWaiting is how many pages may be fetched and not yet committed before
// nothing more is started: so many a killed run may have to fetch again.
const maxWaiting = 128

// now is the clock of the frontier.
func (c *crawler) now() time.Duration { return c.loop.Time() }

// pump starts what may start now, and sees to it that it is called when more
// may.
func (c *crawler) pump() {
	for c.mayStart() {
		h, j, ok := c.front.Next(c.now())
		if !ok {
			break
		}
		c.start(h, j)
	}
	if c.timer != nil {
		c.timer.Cancel()
		c.timer = nil
	}
	if at, ok := c.front.When(); ok && c.mayStart() {
		c.timer = c.loop.CallAt(at, c.pump)
	}
	c.settle()
}

func (c *crawler) mayStart() bool {
	if c.stopping || c.held > maxHeld || len(c.done)+c.writing >= maxWaiting {
		return false
	}
	if c.opts.MaxPages > 0 && c.stats.started >= c.opts.MaxPages || c.opts.Quota > 0 && c.stats.bytes >= c.opts.Quota {
		c.stopping, c.stats.bounded = true, true
		return false
	}
	return true
}

// settle ends the run when nothing is left to do.
func (c *crawler) settle() {
	over := c.stopping || c.front.Queued() == 0
	if over && len(c.tasks) == 0 && !c.committing && (len(c.done) == 0 || c.fatal != nil) && !c.idle.Done() {
		_ = c.idle.SetResult(struct{}{})
	}
}

// start runs a job as a task of its own.
func (c *crawler) start(h *frontier.Host, j frontier.Job) {
	if j.Kind != frontier.Robots {
		if !h.Rules.Allowed(j.URL.Target) {
			c.front.Done(h, frontier.Outcome{Failed: true}, c.now())
			c.finish(&page{job: j, state: frontier.Ended, why: c.forbidden(h)})
			return
		}
		if c.resumed && c.findFile(h, j) {
			return
		}
		c.stats.started++
	}
	begun := false
	t := asyncio.CreateTaskOn(c.loop, func(ctx context.Context) (struct{}, error) {
		begun = true
		if j.Kind == frontier.Robots {
			c.fetchRules(ctx, h)
		} else {
			c.fetch(ctx, h, j)
		}
		return struct{}{}, nil
	})
	c.begun++
	c.tasks[t] = c.begun
	t.AddDoneCallback(func() {
		delete(c.tasks, t)
		if !begun { // it was cancelled before
			c.putBack(h, j)
		}
		c.pump()
	})
}

// putBack gives a job back of which it is not known what became.
func (c *crawler) putBack(h *frontier.Host, j frontier.Job) {
	c.front.Done(h, frontier.Outcome{Unknown: true}, c.now())
	if j.Kind == frontier.Robots {
		c.front.AskAgain(h, c.now())
	} else {
		c.front.Return(j, c.now())
	}
}

// findFile looks whether a URL has been saved by an earlier run that was killed
// before it could enter that into the journal. Then it is not fetched again.
func (c *crawler) findFile(h *frontier.Host, j frontier.Job) bool {
	if j.Kind == frontier.Sitemap || c.ledger.store == nil {
		return false
	}
	name, kind, ok := c.ledger.store.Find(j.URL)
	if !ok {
		return false
	}
	body, err := c.ledger.store.Read(name)
	if err != nil {
		return false
	}
	c.front.Done(h, frontier.Outcome{}, c.now())
	c.stats.found++
	resp := &fetch.Response{Result: fetch.Result{URL: j.URL.String(), Header: http.Header{}}, Body: body}
	c.finish(&page{job: j, state: frontier.Pending, found: true, kind: kind, resp: resp})
	return true
}

// maxSitemap is how many bytes a sitemap may have, as it comes.
const maxSitemap = 50 << 20

// fetch makes one attempt at a job.
func (c *crawler) fetch(ctx context.Context, h *frontier.Host, j frontier.Job) {
	q := &fetch.Request{URL: j.URL.URL(), Limit: c.opts.MaxFilesize, Keep: c.opts.WARC != ""}
	if j.Kind == frontier.Sitemap {
		q.Limit = maxSitemap
	}
	resp, err := c.fetcher.Get(ctx, q)
	if err != nil { // it was cut off, and is still to be done
		c.putBack(h, j)
		return
	}
	c.stats.requests++
	c.stats.bytes += resp.Downloaded
	out := c.outcome(resp)
	c.front.Done(h, out, c.now())
	again := out.Busy || resp.Err != nil && passing(resp.Err.Code) && !isRefused(resp.Err) || resp.Code == http.StatusRequestTimeout || resp.Code/100 == 5
	if again && int(j.Tries)+1 < c.opts.Tries && !c.stopping {
		j.Tries++
		c.stats.retries++
		if out.Busy {
			c.front.Return(j, c.now())
		} else {
			c.front.Push(j, c.now()) // behind others, since that may take its time
		}
		return
	}
	c.finish(c.judge(j, resp))
}

// passing reports whether an error may pass: it is one of the network or the
// server, and not of what was asked for.
func passing(code fetch.Code) bool {
	switch code {
	case fetch.UnsupportedProtocol, fetch.BadUsage, fetch.BadURL, fetch.FileTooLarge, fetch.BadCertificate, fetch.BadEncoding, fetch.WeirdReply:
		return false
	}
	return true
}

// outcome is what a response means to the host.
func (c *crawler) outcome(r *fetch.Response) frontier.Outcome {
	out := frontier.Outcome{Bytes: r.Downloaded, Failed: r.Err != nil || r.Code >= 400}
	if r.Times.StartTransfer > 0 {
		out.Latency = r.Times.StartTransfer - r.Times.PreTransfer
	}
	if r.Remote.IsValid() {
		out.Addr = r.Remote.Addr()
	}
	if r.Code == http.StatusTooManyRequests || r.Code == http.StatusServiceUnavailable {
		out.Busy = true
		out.RetryAfter = fetch.RetryAfter(r.Header, time.Now())
	}
	return out
}

// judge decides what a response makes of its URL.
func (c *crawler) judge(j frontier.Job, resp *fetch.Response) *page {
	p := &page{job: j, resp: resp, state: frontier.Ended}
	switch {
	case resp.Err != nil:
		p.why = resp.ErrorMessage()
	case resp.RedirectURL != "":
		to, err := j.URL.Resolve(resp.Header.Get("Location"))
		if err != nil {
			p.why = fmt.Sprintf("redirect to %q: %v", resp.Header.Get("Location"), err)
			break
		}
		p.state, p.target = frontier.Redirected, to
	case isSuccess(resp.Code):
		p.state = frontier.Pending
	default:
		p.why = "status " + strconv.Itoa(resp.Code)
	}
	return p
}

// finish hands a URL that is done to the ledger, with others.
func (c *crawler) finish(p *page) {
	c.done = append(c.done, p)
	if p.resp != nil {
		c.held += int64(len(p.resp.Body) + len(p.resp.Raw))
	}
	c.commit()
}

// maxBatch is how many pages are committed at a time.
const maxBatch = 256

// commit makes what is done last, a batch at a time: while one is written, the
// next gathers.
func (c *crawler) commit() {
	if c.committing || len(c.done) == 0 || c.fatal != nil {
		return
	}
	n := min(len(c.done), maxBatch)
	batch := c.done[:n:n]
	if c.done = c.done[n:]; len(c.done) == 0 {
		c.done = nil
	}
	c.committing, c.writing = true, n
	l := c.ledger
	f := asyncio.RunInExecutor(c.loop, c.disk, func(context.Context) (struct{}, error) {
		err := l.commit(batch)
		if err == nil && c.opts.NDJSON {
			err = c.print(batch)
		}
		return struct{}{}, err
	})
	f.AddDoneCallback(func() {
		c.committing, c.writing = false, 0
		if err := f.Err(); err != nil {
			c.fail(err)
		} else {
			c.committed(batch)
		}
		c.commit()
		c.pump()
	})
}

// committed takes what a batch has led to.
func (c *crawler) committed(batch []*page) {
	for _, p := range batch {
		for _, j := range p.added {
			c.front.Push(j, c.now())
		}
		if p.resp != nil {
			c.held -= int64(len(p.resp.Body) + len(p.resp.Raw))
		}
		if p.job.Kind != frontier.Robots {
			c.report(p)
		}
	}
}

// fail ends the run: what was fetched cannot be saved.
func (c *crawler) fail(err error) {
	if c.fatal == nil {
		c.fatal = &fetch.Error{Code: fetch.WriteFailed, Err: err}
		c.stop()
	}
}

// stop starts nothing more and cancels what is under way.
func (c *crawler) stop() {
	c.stopping = true
	current := c.loop.CurrentTask()
	// In their order, so that a run goes the same way each time.
	for _, t := range slices.SortedFunc(maps.Keys(c.tasks), func(a, b *asyncio.Task[struct{}]) int { return cmp.Compare(c.tasks[a], c.tasks[b]) }) {
		if asyncio.AnyTask(t) != current {
			t.Cancel()
		}
	}
}

// wait runs until all is done, or the task is cancelled: then what was fetched
// is committed, and the rest is left for another run.
func (c *crawler) wait(ctx context.Context) (interrupted bool) {
	c.pump()
	for {
		_, err := c.idle.Await(ctx)
		if err == nil {
			return interrupted
		}
		if interrupted {
			return true // asked twice
		}
		interrupted = true
		c.idle = asyncio.NewFuture[struct{}](c.loop)
		c.stop()
		c.settle()
	}
}

// sitemapsOf returns the jobs for the sitemaps of a host.
func sitemapsOf(h urls.URL, named []string) (jobs []frontier.Job) {
	for _, text := range append(named, "/sitemap.xml") {
		if u, err := h.Resolve(text); err == nil {
			jobs = append(jobs, frontier.Job{URL: u, Kind: frontier.Sitemap, Depth: 1})
		}
	}
	return jobs
}

var errNoDirectory = errors.New("--convert-links needs --directory-prefix")

// openStore opens what bodies are saved in.
func openStore(o *Options) (*store.Store, error) {
	if o.Directory == "" {
		if o.Convert {
			return nil, errNoDirectory
		}
		return nil, nil
	}
	return store.Open(o.Directory, o.Sync)
}
