package crawl

import (
	"context"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// A Fetcher makes single fetches: one request, one response, no redirect
// followed. [fetch.Client] is one. Its error is that of a cancellation, or means
// that it is not known whether the fetch was made: then it is made again. What
// went wrong with the fetch itself is in the response.
//
// Get is called in a coroutine of the crawl's loop, for each request that may be
// under way at a time, and the host's place is taken until it returns. One that
// sends requests to other machines must therefore not return before a request of
// a machine that has died can no longer be under way.
type Fetcher interface {
	Get(ctx context.Context, q *fetch.Request) (*fetch.Response, error)
}

// page is a URL on its way from its fetch to the journal.
type page struct {
	job  frontier.Job
	resp *fetch.Response // nil when there was no fetch

	// What the crawler found.
	state  frontier.State // Pending for a response that is to be looked at
	target urls.URL       // of a redirect
	why    string         // a URL was not fetched

	// Of a file that was there already: it is read in the place of a response.
	found bool
	kind  store.Kind

	// What the ledger made of it.
	name         string // of its file
	links, fresh int    // URLs of the crawl that it refers to, and those that are new
	added        []frontier.Job
}
