package crawl

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/links"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/sitemap"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// ledger knows all URLs of the crawl and what became of them. One goroutine at a
// time uses it, beside the loop, since it waits for the disk.
type ledger struct {
	opts  *Options
	agent string // product token
	scope *scope
	known *known
	store *store.Store // nil: nothing is saved
	warc  *archive     // nil: there is none
	conv  *converter   // nil: links are left as they are
}

// begin takes the roots that are new, and what is known of them already.
func (l *ledger) begin(roots []urls.URL, front *frontier.Frontier, now time.Duration) error {
	var jobs []frontier.Job
	for _, u := range roots {
		text := u.String()
		if !slices.Contains(l.known.roots, text) {
			l.scope.addRoot(u)
			l.known.addRoots(text)
		}
		if l.known.state(text) == frontier.Unknown {
			jobs = append(jobs, frontier.Job{URL: u})
			l.scope.count(u)
			l.known.begin(jobs[len(jobs)-1:])
		}
	}
	for _, j := range jobs {
		front.Push(j, now)
	}
	return l.known.commit()
}

// close closes all files.
func (l *ledger) close() error {
	var errs []error
	if l.warc != nil {
		errs = append(errs, l.warc.close())
	}
	if l.known != nil {
		errs = append(errs, l.known.close())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	return errors.Join(errs...)
}

// commit makes what a batch of pages has brought last: first the files, then the
// archive, then the journal. When it returns an error, none of the batch is
// done.
func (l *ledger) commit(batch []*page) error {
	for _, p := range batch {
		l.classify(p)
	}
	if err := l.save(batch); err != nil {
		return err
	}
	if l.warc != nil {
		for _, p := range batch {
			if err := l.warc.add(p); err != nil {
				return err
			}
		}
		if err := l.warc.flush(l.opts.Sync); err != nil {
			return err
		}
	}
	for _, p := range batch {
		l.enter(p)
	}
	return l.known.commit()
}

// states are the states of URLs by the kind of their files.
var states = [...]frontier.State{
	store.Other: frontier.SavedOther, store.HTML: frontier.SavedHTML,
	store.HTMLNoFollow: frontier.SavedNoFollow, store.CSS: frontier.SavedCSS,
}

// classify decides what kind of file a response is, and gives it its name.
func (l *ledger) classify(p *page) {
	if p.state != frontier.Pending || p.job.Kind == frontier.Sitemap {
		return
	}
	if !p.found {
		p.kind = l.kindOf(p)
	}
	if l.store == nil || !p.found && !l.scope.wanted(p.job.URL) {
		return
	}
	p.name = store.Name(p.job.URL, p.kind)
}

func (l *ledger) kindOf(p *page) store.Kind {
	h := p.resp.Header
	switch links.TypeOf(h.Get("Content-Type"), p.resp.Body) {
	case links.CSS:
		return store.CSS
	case links.HTML:
		if links.HeaderNoFollow(h.Values("X-Robots-Tag"), l.agent) {
			return store.HTMLNoFollow
		}
		return store.HTML
	}
	return store.Other
}

// writers is how many files are written at a time where each is synced: a disk
// is faster with several.
const writers = 8

// save writes the files of a batch.
func (l *ledger) save(batch []*page) error {
	if l.store == nil {
		return nil
	}
	var files []*page
	for _, p := range batch {
		if p.name != "" && !p.found {
			files = append(files, p)
		}
	}
	n := 1
	if l.opts.Sync {
		n = min(writers, len(files))
	}
	if n <= 1 {
		for _, p := range files {
			if err := l.store.Save(p.name, p.resp.Body); err != nil {
				return err
			}
		}
		return l.store.Flush()
	}
	errs := make([]error, n)
	var group sync.WaitGroup
	for w := range n {
		group.Go(func() {
			for i := w; i < len(files) && errs[w] == nil; i += n {
				errs[w] = l.store.Save(files[i].name, files[i].resp.Body)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return l.store.Flush()
}

// enter finds the links of a page and enters it as done.
func (l *ledger) enter(p *page) {
	if p.job.Kind == frontier.Robots { // which is no URL of the crawl; only sitemaps were added
		l.enterSitemaps(p)
		return
	}
	d := done{id: p.job.ID, state: p.state}
	if p.resp != nil {
		d.status, d.size = p.resp.Code, int64(len(p.resp.Body))
	}
	switch {
	case p.state == frontier.Redirected:
		d.target = p.target.String()
		l.redirect(p)
	case p.state == frontier.Pending && p.job.Kind == frontier.Sitemap:
		d.state = frontier.Ended
		l.readSitemap(p)
	case p.state == frontier.Pending:
		d.state = states[p.kind]
		if p.name == "" {
			d.state = frontier.Ended
		}
		if d.state == frontier.SavedOther {
			d.ctype = p.resp.Header.Get("Content-Type")
		}
		l.follow(p)
	}
	l.known.add(p.added)
	d.added = p.added
	text := p.job.URL.String()
	l.known.finish(text, &d)
	if l.conv != nil {
		l.conv.note(text, &d)
	}
	p.state = d.state
}

// follow takes the links of a page or style sheet.
func (l *ledger) follow(p *page) {
	t := links.Other
	switch p.kind {
	case store.HTML, store.HTMLNoFollow:
		t = links.HTML
	case store.CSS:
		t = links.CSS
	}
	doc := links.Find(t, p.job.URL, p.resp.Body, l.agent)
	noFollow := p.kind == store.HTMLNoFollow || doc.NoFollow
	fresh := map[urls.URL]bool{}
	for _, link := range doc.Links {
		j := frontier.Job{URL: link.URL, Depth: p.job.Depth + 1}
		switch {
		case link.Kind == links.Requisite:
			if !l.opts.Requisites {
				continue
			}
			j.Kind = frontier.Requisite
		case p.job.Kind == frontier.Requisite, !l.opts.NoRobots && (noFollow || link.NoFollow):
			continue
		}
		if !fresh[link.URL] {
			fresh[link.URL] = true
			l.take(p, j)
		}
	}
}

// take adds a URL that a page leads to, if it is new and belongs to the crawl.
func (l *ledger) take(p *page, j frontier.Job) {
	if l.known.state(j.URL.String()) != frontier.Unknown {
		p.links++
		return
	}
	if l.scope.admits(j.URL, j.Kind, int(j.Depth)) {
		p.links++
		p.fresh++
		p.added = append(p.added, j)
	}
}

// redirect takes the URL that another leads to. It is as far from the root as
// that, and what a root leads to is one.
func (l *ledger) redirect(p *page) {
	j := frontier.Job{URL: p.target, Kind: p.job.Kind, Depth: p.job.Depth, Redirects: p.job.Redirects + 1}
	if l.known.state(j.URL.String()) != frontier.Unknown || int(p.job.Redirects) >= l.opts.MaxRedirs {
		return
	}
	if j.Depth == 0 && j.Kind == frontier.Page {
		l.scope.addRoot(j.URL)
		l.known.addRoots(j.URL.String())
	} else if !l.scope.admits(j.URL, j.Kind, int(j.Depth)) {
		return
	}
	p.fresh++
	p.added = append(p.added, j)
}

// maxMapDepth is how deep indexes of sitemaps may be nested.
const maxMapDepth = 4

// readSitemap takes the URLs of a sitemap. One that was cut off, or is not one,
// has those that could be read.
func (l *ledger) readSitemap(p *page) {
	f, _ := sitemap.Parse(p.resp.Body)
	fresh := map[urls.URL]bool{}
	add := func(text string, j frontier.Job) {
		u, err := p.job.URL.Resolve(text)
		if err != nil || fresh[u] {
			return
		}
		fresh[u] = true
		j.URL = u
		l.take(p, j)
	}
	for _, text := range f.Pages {
		add(text, frontier.Job{Depth: 1})
	}
	for _, text := range f.Maps {
		if p.job.Depth < maxMapDepth {
			add(text, frontier.Job{Kind: frontier.Sitemap, Depth: p.job.Depth + 1})
		}
	}
}

// enterSitemaps takes the sitemaps that a robots.txt names.
func (l *ledger) enterSitemaps(p *page) {
	jobs := p.added
	p.added = nil
	fresh := map[urls.URL]bool{}
	for _, j := range jobs {
		if !fresh[j.URL] {
			fresh[j.URL] = true
			l.take(p, j)
		}
	}
	l.known.begin(p.added)
}

// isSuccess reports whether a response is one to be saved.
func isSuccess(code int) bool { return code >= 200 && code < 300 && code != http.StatusNoContent }
