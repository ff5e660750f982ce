package crawl

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// stats is what is counted of a run.
type stats struct {
	begun     time.Duration
	started   int // requests for pages, requisites and sitemaps
	requests  int // that were answered, or failed; robots.txt is among them
	retries   int
	found     int // files of an earlier run
	converted int
	bytes     int64
	bounded   bool // --max-pages or --quota has ended the run

	saved      map[frontier.State]int
	savedBytes int64
	redirects  int
	ended      map[string]int // by reason
}

// report counts a URL that is done, and prints it for -v.
func (c *crawler) report(p *page) {
	s := &c.stats
	switch {
	case p.state.Saved():
		if s.saved == nil {
			s.saved = map[frontier.State]int{}
		}
		s.saved[p.state]++
		s.savedBytes += int64(len(p.resp.Body))
	case p.state == frontier.Redirected:
		s.redirects++
	default:
		if s.ended == nil {
			s.ended = map[string]int{}
		}
		s.ended[reason(p)]++
	}
	if c.opts.Verbose {
		c.line(describe(p))
	}
}

// reason is why a URL has no file, in words that many URLs have in common.
func reason(p *page) string {
	switch {
	case p.resp != nil && p.resp.Err != nil:
		return fmt.Sprintf("error %d", p.resp.Err.Code)
	case p.why != "" && p.state == frontier.Ended && p.target.Host == "":
		if strings.HasPrefix(p.why, "redirect") {
			return "bad redirect"
		}
		return p.why
	case p.job.Kind == frontier.Sitemap:
		return "sitemap"
	}
	return "not to be saved"
}

// describe is the line of a URL for -v.
func describe(p *page) string {
	u := p.job.URL.String()
	switch {
	case p.state == frontier.Redirected:
		return fmt.Sprintf("%s %d redirect %s", u, p.resp.Code, p.target)
	case p.found:
		return fmt.Sprintf("%s is saved already, %d/%d", u, p.fresh, p.links)
	case p.why != "":
		return fmt.Sprintf("%s %s", u, fetch.Printable(p.why))
	}
	return fmt.Sprintf("%s %d %s %d %d/%d", u, p.resp.Code, fetch.Printable(p.resp.Header.Get("Content-Type")), len(p.resp.Body), p.fresh, p.links)
}

// summary prints the report of the run.
func (c *crawler) summary(interrupted bool) {
	if c.opts.Silent {
		return
	}
	out := c.io.Stdout
	if c.opts.NDJSON {
		out = c.io.Stderr
	}
	s := &c.stats
	var b strings.Builder
	switch {
	case c.fatal != nil:
		b.WriteString("Ended early.\n")
	case interrupted:
		b.WriteString("Interrupted.\n")
	case s.bounded:
		b.WriteString("Ended by --max-pages or --quota.\n")
	}
	n := 0
	for _, k := range s.saved {
		n += k
	}
	html := s.saved[frontier.SavedHTML] + s.saved[frontier.SavedNoFollow]
	fmt.Fprintf(&b, "%8d saved: %d pages, %d style sheets, %d others, %s\n", n, html, s.saved[frontier.SavedCSS], s.saved[frontier.SavedOther], fetch.SizeText(s.savedBytes))
	if s.found > 0 {
		fmt.Fprintf(&b, "%8d of them were there already\n", s.found)
	}
	fmt.Fprintf(&b, "%8d redirected\n", s.redirects)
	writeCounts(&b, "not saved", s.ended)
	writeCounts(&b, "links not taken", c.ledger.scope.refused)
	if s.converted > 0 {
		fmt.Fprintf(&b, "%8d files with converted links\n", s.converted)
	}
	fmt.Fprintf(&b, "%8d left to do\n", c.front.Queued())
	took := c.now() - s.begun
	rate := 0.0
	if took > 0 {
		rate = float64(s.requests) / took.Seconds()
	}
	fmt.Fprintf(&b, "%d requests to %d hosts in %s, %.1f a second, %d tries again, %s\n", s.requests, c.front.Met(), fetch.TimeText(took), rate, s.retries, fetch.SizeText(s.bytes))
	_, _ = io.WriteString(out, b.String())
}

// writeCounts writes a line with what a sum is made of.
func writeCounts(b *strings.Builder, what string, counts map[string]int) {
	sum := 0
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		sum += counts[why]
		parts = append(parts, fmt.Sprintf("%d %s", counts[why], fetch.Printable(why)))
	}
	fmt.Fprintf(b, "%8d %s", sum, what)
	if len(parts) > 0 {
		b.WriteString(": " + strings.Join(parts, ", "))
	}
	b.WriteByte('\n')
}

// print writes a JSON object for each page of a batch. It runs beside the loop,
// where it may wait for whoever reads.
func (c *crawler) print(batch []*page) error {
	var b []byte
	for _, p := range batch {
		if p.job.Kind == frontier.Robots {
			continue
		}
		b = c.appendJSON(b, p)
		b = append(b, '\n')
	}
	if _, err := c.io.Stdout.Write(b); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// appendJSON appends the object of a page: fetch's names, and some of the crawl.
func (c *crawler) appendJSON(b []byte, p *page) []byte {
	r := p.resp
	if r == nil {
		r = &fetch.Response{Result: fetch.Result{URL: p.job.URL.String()}}
		r.Err = &fetch.Error{Code: fetch.Forbidden, Err: fmt.Errorf("%s", p.why)}
	}
	r.Number, r.Effective, r.Retries = int(p.job.ID), p.job.URL.String(), int(p.job.Tries)
	if p.name != "" {
		r.Filename = c.ledger.store.Path(p.name)
	}
	b = r.JSON(b)
	return fmt.Appendf(b, `,"depth":%d,"state":%q,"links":%d,"new_links":%d}`, p.job.Depth, stateName(p), p.links, p.fresh)
}

// stateName is what became of a URL, in a word.
func stateName(p *page) string {
	switch {
	case p.found:
		return "found"
	case p.state.Saved():
		return "saved"
	case p.state == frontier.Redirected:
		return "redirected"
	case p.resp == nil:
		return "forbidden"
	case p.why != "":
		return "failed"
	}
	return "read"
}
