// Package direct makes the fetches of a crawl in this process.
package direct

import (
	"context"
	"net/netip"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// UserAgent is what is sent, and what robots.txt files may name, unless the user
// names another.
const UserAgent = "asyncio-crawl/1"

// maxIdle is how many idle connections are kept: hosts take turns, so that one
// is not used again soon.
const maxIdle = 512

// A Fetcher makes single fetches. It belongs to a loop.
type Fetcher struct {
	client     *fetch.Client
	publicOnly bool
}

// New returns a fetcher with these options, for so many fetches at a time. Unless
// private addresses are allowed, it connects to public ones only. It must be closed.
func New(loop *asyncio.Loop, o fetch.Options, parallel int, allowPrivate bool) (*Fetcher, error) {
	o.Trace = true // the addresses, and the times
	if !allowPrivate {
		o.CheckAddr = safety.CheckAddr
	}
	o.ParallelMax, o.MaxIdle = parallel, maxIdle
	if o.UserAgent == nil {
		agent := UserAgent
		o.UserAgent = &agent
	}
	client, err := fetch.NewClient(loop, &o)
	if err != nil {
		return nil, err
	}
	return &Fetcher{client: client, publicOnly: !allowPrivate}, nil
}

// Get makes a fetch. See [fetch.Client.Get].
func (f *Fetcher) Get(ctx context.Context, q *fetch.Request) (*fetch.Response, error) {
	if f.publicOnly {
		// The client looks at what it connects to; with a proxy that is the proxy, and
		// the URL goes on.
		if a, err := netip.ParseAddr(q.URL.Hostname()); err == nil {
			if err := safety.CheckAddr(a); err != nil {
				r := &fetch.Response{Result: fetch.Result{URL: q.URL.String()}}
				r.Err = &fetch.Error{Code: fetch.CannotConnect, URL: r.URL, Err: err}
				return r, nil
			}
		}
	}
	return f.client.Get(ctx, q)
}

// Close closes all connections.
func (f *Fetcher) Close() error { return f.client.Close() }
