package crawl

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// fetchRules fetches the robots.txt of a host. As RFC 9309 has it, a host without
// one allows everything, and one that cannot be asked nothing.
func (c *crawler) fetchRules(ctx context.Context, h *frontier.Host) {
	u := h.URL
	u.Target = "/robots.txt"
	var out frontier.Outcome
	var rules *robots.Rules
	var why string
	for range robots.MaxRedirects + 1 {
		resp, err := c.fetcher.Get(ctx, &fetch.Request{URL: u.URL(), Limit: robots.MaxSize, Cut: true})
		if err != nil {
			c.putBack(h, frontier.Job{Kind: frontier.Robots})
			return
		}
		c.stats.requests++
		out = c.outcome(resp)
		if resp.Err == nil && resp.RedirectURL != "" {
			if next, err := u.Resolve(resp.Header.Get("Location")); err == nil {
				u, rules = next, &robots.Rules{} // after the last one, as if there were none
				continue
			}
		}
		rules, why = c.rulesOf(resp), resp.ErrorMessage()
		if why == "" {
			why = "status " + strconv.Itoa(resp.Code)
		}
		if resp.Err != nil && isRefused(resp.Err) { // for good
			rules = robots.DisallowAll()
			c.giveUp(h, why)
		}
		break
	}
	c.front.Done(h, out, c.now())
	if c.front.SetRules(h, rules, c.now()) {
		c.giveUp(h, "its robots.txt cannot be had: "+why)
	}
	if c.opts.Sitemaps && rules != nil {
		c.finish(&page{job: frontier.Job{URL: h.URL, Kind: frontier.Robots}, added: sitemapsOf(h.URL, rules.Sitemaps)})
	}
}

// giveUp takes note of a host of which nothing can be fetched.
func (c *crawler) giveUp(h *frontier.Host, why string) {
	h.Refuse = why
	c.note("%s: nothing of it is fetched: %s", h.URL.Origin(), why)
}

// forbidden is why nothing of a host, or not this URL, may be fetched.
func (c *crawler) forbidden(h *frontier.Host) string {
	if h.Refuse != "" {
		return "the host cannot be asked"
	}
	return "robots.txt forbids it"
}

// isRefused reports whether an error is that of an address that is not public.
func isRefused(err error) bool {
	var refused *safety.AddressError
	return errors.As(err, &refused)
}

// rulesOf returns the rules that a response means; nil when they may be had
// later.
func (c *crawler) rulesOf(resp *fetch.Response) *robots.Rules {
	switch {
	case resp.Err != nil, resp.Code >= 500, resp.Code == http.StatusTooManyRequests:
		return nil
	case isSuccess(resp.Code):
		return robots.Parse(resp.Body, c.agent)
	}
	return &robots.Rules{}
}
