package crawl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/direct"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// Run crawls and returns the exit code: 0 also when pages could not be fetched,
// 23 when what was fetched could not be saved, [fetch.Interrupted] when the task
// was cancelled. It runs in a coroutine. What went wrong has been written to
// Stderr.
func Run(ctx context.Context, o *Options, s fetch.Streams) fetch.Code {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return fetch.BadUsage // not in a coroutine: a mistake in the program
	}
	if o.Join != "" {
		return runRemote(ctx, o, s)
	}
	fetcher, err := direct.New(loop, o.Fetch, o.Parallel, o.AllowPrivate)
	if err != nil {
		return complain(s, err)
	}
	defer fetcher.Close()
	return RunWith(ctx, o, s, fetcher)
}

// runRemote has members make the fetches.
func runRemote(ctx context.Context, o *Options, s fetch.Streams) fetch.Code {
	var c *crawler
	r, err := newRemote(ctx, o, s, func() *crawler { return c })
	if err != nil {
		return complain(s, err)
	}
	code := runCrawler(ctx, o, s, r, func(made *crawler) { c = made })
	if err := r.Close(ctx); err != nil && code == fetch.OK {
		return fetch.Interrupted
	}
	return code
}

// RunWith is [Run] with another fetcher.
func RunWith(ctx context.Context, o *Options, s fetch.Streams, fetcher Fetcher) fetch.Code {
	return runCrawler(ctx, o, s, fetcher, func(*crawler) {})
}

// runCrawler runs a crawler, which made is given first.
func runCrawler(ctx context.Context, o *Options, s fetch.Streams, fetcher Fetcher, made func(*crawler)) fetch.Code {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return fetch.BadUsage
	}
	c := newCrawler(loop, o, s, fetcher)
	if interrupted, err := c.open(ctx); err != nil {
		return complain(s, err)
	} else if interrupted {
		return fetch.Interrupted
	}
	c.view = newView(c)
	made(c)
	interrupted := c.wait(ctx)
	return c.end(ctx, interrupted)
}

func complain(s fetch.Streams, err error) fetch.Code {
	var known *fetch.Error
	if !errors.As(err, &known) {
		known = &fetch.Error{Code: fetch.BadUsage, Err: err}
	}
	_, _ = fmt.Fprintf(s.Stderr, "asyncio: %s\n", known.Error())
	return known.Code
}

func newCrawler(loop *asyncio.Loop, o *Options, s fetch.Streams, fetcher Fetcher) *crawler {
	agent := UserAgent
	if o.Fetch.UserAgent != nil {
		agent = *o.Fetch.UserAgent
	}
	c := &crawler{
		opts: o, io: s, loop: loop, fetcher: fetcher, agent: robots.Token(agent),
		front: frontier.New(frontier.Options{
			Parallel: o.Parallel, ParallelHost: o.ParallelHost, ParallelAddress: o.ParallelAddress,
			Wait: o.Wait, RandomWait: o.RandomWait, NoRobots: o.NoRobots,
			Rand: func(n time.Duration) time.Duration { return time.Duration(hook.Rand(loop, int64(n))) },
		}),
		tasks: map[*asyncio.Task[struct{}]]int{},
		idle:  asyncio.NewFuture[struct{}](loop),
		disk:  asyncio.NewThreadPoolExecutor(1),
	}
	c.stats.begun = c.now()
	return c
}

// open begins a crawl, or goes on with one. That may take seconds, so it is done beside
// the loop; when the task is cancelled meanwhile nothing stays open.
func (c *crawler) open(ctx context.Context) (interrupted bool, err error) {
	now := c.now()
	f := asyncio.RunInExecutor(c.loop, c.disk, func(context.Context) (struct{}, error) { return struct{}{}, c.openLedger(now) })
	for !f.Done() {
		if _, err := asyncio.Shield(ctx, f); asyncio.IsCancelled(err) {
			interrupted = true
		}
	}
	if err = f.Err(); err != nil || !interrupted {
		return interrupted, err
	}
	return true, c.ledger.close()
}

// openLedger opens what the crawl is kept in. Nothing else uses the frontier meanwhile.
func (c *crawler) openLedger(now time.Duration) (err error) {
	o := c.opts
	l := &ledger{opts: o, agent: c.agent, scope: newScope(o)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.store, err = openStore(o); err != nil {
		return &fetch.Error{Code: fetch.WriteFailed, Err: err}
	}
	if o.Convert {
		l.conv = newConverter(l.store)
	}
	roots, err := o.roots()
	if err != nil {
		return err
	}
	if o.Resume {
		err = c.resume(l, now)
	} else {
		l.known, err = newKnown(o.State, o.Sync, !c.names(l))
	}
	if err != nil {
		return &fetch.Error{Code: fetch.WriteFailed, Err: errState(o.State, err)}
	}
	if o.WARC != "" {
		if l.warc, err = newArchive(o); err != nil {
			return &fetch.Error{Code: fetch.WriteFailed, Err: err}
		}
	}
	if err := l.begin(roots, c.front, now); err != nil {
		return &fetch.Error{Code: fetch.WriteFailed, Err: err}
	}
	c.ledger = l
	return nil
}

// names reports whether what is done must be known by name, to count by hosts again
// and to convert links: a compacted journal does not have it.
func (c *crawler) names(l *ledger) bool { return c.opts.MaxPagesHost > 0 || l.conv != nil }

// resume reads what is known of a crawl, and puts what is left into the
// frontier.
func (c *crawler) resume(l *ledger, now time.Duration) error {
	all := c.names(l)
	k, err := resumeKnown(c.opts.State, c.opts.Sync, all, func(j frontier.Job, state frontier.State, target string) {
		l.scope.count(j.URL)
		if state == frontier.Pending {
			c.front.Push(j, now)
		} else if l.conv != nil {
			l.conv.note(j.URL.String(), &done{state: state, target: target})
		}
	})
	if err != nil {
		return err
	}
	l.known, c.resumed = k, true
	for _, text := range k.roots {
		l.scope.addRoot(urls.Split(text))
	}
	if k.cut > 0 {
		c.note("%s: %d bytes at the end of the journal were not whole", c.opts.State, k.cut)
	}
	return k.goOn(!all)
}

// end commits what there is, converts and reports.
func (c *crawler) end(ctx context.Context, interrupted bool) fetch.Code {
	if c.timer != nil {
		c.timer.Cancel()
	}
	l := c.ledger
	convert := l.conv != nil && !interrupted && c.fatal == nil
	f := asyncio.RunInExecutor(c.loop, c.disk, func(context.Context) (int, error) {
		n := 0
		var err error
		if convert {
			n, err = l.conv.run()
		}
		return n, errors.Join(err, l.close())
	})
	n, err := asyncio.Shield(ctx, f)
	if asyncio.IsCancelled(err) {
		interrupted = true
	} else if err != nil && c.fatal == nil {
		c.fatal = &fetch.Error{Code: fetch.WriteFailed, Err: err}
	}
	c.stats.converted = n
	c.view.end()
	if c.fatal != nil {
		c.line("asyncio: " + c.fatal.Error())
	}
	c.summary(interrupted)
	var known *fetch.Error
	switch {
	case errors.As(c.fatal, &known):
		return known.Code
	case interrupted:
		return fetch.Interrupted
	}
	return fetch.OK
}
