// Command crawler is the web crawler of "500 Lines or Less" (crawl.py, on aiohttp): it
// begins at some URLs, follows the links of their hosts, and tells what it has found.
//
//	crawler [-tasks N] [-redirects N] [-tries N] [-strict=false] URL...
//
// The same as there: a queue of URLs, tasks that work on it until it is joined, a set of
// what was seen, redirects that are queued as pages of their own with one fewer left, so
// many tries for a page, and hosts that count as one with and without "www.".
//
// Other than there: an HTML tokenizer finds the links, not a regular expression; the body
// of a page has a limit; and a task that is cancelled does not count that as a failed try.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// maxBody is how much of a page is read.
const maxBody = 4 << 20

// A job is a URL to fetch, and how many redirects it may still be taken to.
type job struct {
	url       string
	redirects int
}

// A result is what became of a URL.
type result struct {
	url      string
	next     string // where it redirects to
	status   int
	size     int
	links    int
	newLinks int
	err      error
}

// A crawler is one crawl. Its tasks share it without a lock: between two waits nothing else
// runs.
type crawler struct {
	client       *http.Client
	tasks, tries int
	redirects    int
	strict       bool // hosts are those of the roots, and not their subdomains

	queue asyncio.Queue[job]
	seen  map[string]bool
	hosts []string
	done  []result
}

func main() {
	c := crawler{}
	flag.IntVar(&c.tasks, "tasks", 10, "how many pages at a time")
	flag.IntVar(&c.tries, "tries", 4, "how often a page is tried")
	flag.IntVar(&c.redirects, "redirects", 10, "how many redirects are followed in a row")
	flag.BoolVar(&c.strict, "strict", true, "leave out the subdomains of the hosts")
	flag.Parse()
	asyncio.Main(func(ctx context.Context) error {
		if flag.NArg() == 0 {
			return errors.New("usage: crawler [flags] URL [URL ...]")
		}
		err := c.crawl(ctx, flag.Args())
		c.report(os.Stdout)
		return err
	})
}

// crawl fetches all that can be reached from the roots.
func (c *crawler) crawl(ctx context.Context, roots []string) error {
	transport := &asynchttp.Transport{MaxConnsPerHost: c.tasks}
	defer transport.Close()
	c.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.seen = map[string]bool{}
	for _, root := range roots {
		u, err := url.Parse(root)
		if err != nil {
			return err
		}
		c.hosts = append(c.hosts, bare(u.Host))
		c.add(root, c.redirects)
	}
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for range c.tasks {
			g.Go(c.work)
		}
		if err := c.queue.Join(ctx); err != nil {
			return err
		}
		c.queue.Shutdown(false) // which ends the tasks
		return nil
	})
}

// work fetches one page after another.
func (c *crawler) work(ctx context.Context) error {
	for j, err := range c.queue.All(ctx) {
		if err != nil {
			return err
		}
		r, err := c.fetch(ctx, j)
		if err != nil {
			return err
		}
		c.done = append(c.done, r)
		c.queue.TaskDone()
	}
	return nil
}

// fetch fetches a page and queues where it leads. Its error is that of the crawl; that of
// the page is in the result.
func (c *crawler) fetch(ctx context.Context, j job) (result, error) {
	r := result{url: j.url}
	for range c.tries {
		if r.err = c.try(ctx, j, &r); r.err == nil {
			break
		}
		if asyncio.IsCancelled(r.err) {
			return r, r.err
		}
	}
	return r, nil
}

func (c *crawler) try(ctx context.Context, j job, r *result) error {
	req, err := http.NewRequestWithContext(ctx, "GET", j.url, nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r.status = resp.StatusCode
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		r.next = to.String()
		if j.redirects > 0 {
			c.add(r.next, j.redirects-1)
		}
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	r.size = len(body)
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/html" || resp.StatusCode != http.StatusOK {
		return nil
	}
	links := linksOf(string(body), req.URL)
	r.links = len(links)
	for _, link := range links {
		if c.add(link, c.redirects) {
			r.newLinks++
		}
	}
	return nil
}

// add queues a URL that was not seen and is of one of the hosts, and reports whether it was
// such.
func (c *crawler) add(link string, redirects int) bool {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || c.seen[link] || !c.allows(bare(u.Host)) {
		return false
	}
	c.seen[link] = true
	return c.queue.PutNowait(job{link, redirects}) == nil
}

func (c *crawler) allows(host string) bool {
	return slices.ContainsFunc(c.hosts, func(root string) bool {
		return host == root || !c.strict && strings.HasSuffix(host, "."+root)
	})
}

// bare is a host without the "www." that many sites are also known by.
func bare(host string) string { return strings.TrimPrefix(strings.ToLower(host), "www.") }

// linksOf returns the links of a page, each once and without its fragment.
func linksOf(page string, base *url.URL) (links []string) {
	for t := html.NewTokenizer(strings.NewReader(page)); ; {
		switch t.Next() {
		case html.ErrorToken:
			return links
		case html.StartTagToken, html.SelfClosingTagToken:
			for {
				key, value, more := t.TagAttr()
				if string(key) == "href" {
					if u, err := base.Parse(strings.TrimSpace(string(value))); err == nil {
						u.Fragment = ""
						if link := u.String(); !slices.Contains(links, link) {
							links = append(links, link)
						}
					}
				}
				if !more {
					break
				}
			}
		}
	}
}

// report prints what was found, in the order of the URLs.
func (c *crawler) report(w io.Writer) {
	slices.SortFunc(c.done, func(a, b result) int { return strings.Compare(a.url, b.url) })
	for _, r := range c.done {
		switch {
		case r.err != nil:
			fmt.Fprintf(w, "%s: %v\n", r.url, r.err)
		case r.next != "":
			fmt.Fprintf(w, "%s: %d to %s\n", r.url, r.status, r.next)
		default:
			fmt.Fprintf(w, "%s: %d, %d bytes, %d links (%d new)\n", r.url, r.status, r.size, r.links, r.newLinks)
		}
	}
	fmt.Fprintf(w, "%d pages\n", len(c.done))
}
