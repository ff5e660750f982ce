// Package crawl follows links from page to page, saves what it fetches, and
// loses nothing of it when it is killed.
//
// [Run] is the whole of it. Four parts work together, and each is the only one
// that touches what it has:
//
//   - the frontier, on the loop, decides which URL may be fetched now;
//   - a [Fetcher] makes the fetch, and nothing else;
//   - the ledger, on one thread beside the loop, knows all URLs: it saves bodies,
//     finds their links and writes the journal, a batch at a time;
//   - the crawler, on the loop, moves jobs from one to the next.
package crawl

import (
	"regexp"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/direct"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// Options is what to crawl, and how.
type Options struct {
	Roots []string

	Level        int      // links from a root; 0: no bound
	Domains      []string // with all below them; none: the hosts of the roots, with and without www.
	NoParent     bool     // nothing above the directories of the roots
	Accept       []string // suffixes or patterns of names; none: all
	Reject       []string
	AcceptRegexp *regexp.Regexp // of whole URLs; nil: all
	RejectRegexp *regexp.Regexp
	MaxRedirs    int // from one URL on
	MaxPages     int // requests for pages; 0: no bound
	MaxPagesHost int // URLs of one host that are taken; 0: no bound
	Quota        int64
	Requisites   bool // what pages need to be shown
	Sitemaps     bool
	Convert      bool // links between saved pages, in the end

	Parallel        int
	ParallelHost    int
	ParallelAddress int // 0: no bound
	Wait            time.Duration
	RandomWait      bool
	NoRobots        bool
	AllowPrivate    bool
	Tries           int   // for each URL
	MaxFilesize     int64 // unpacked bytes of a body

	Directory string // where files are saved; empty: nowhere
	State     string // the directory of the journal; empty: none
	Resume    bool
	Sync      bool // what is saved outlives a loss of power
	WARC      string
	WARCSize  int64 // of a file, about; 0: no bound

	Fetch fetch.Options // how to connect, and what to send

	Join     string // a NATS server, whose members make the fetches; empty: this process
	CA       []byte // of Fetch.TLS, for members: certificates of authorities
	Insecure bool   // of Fetch.TLS

	NDJSON     bool
	NoProgress bool
	Silent     bool
	Verbose    bool
}

// Defaults of options.
const (
	DefaultLevel           = 5
	DefaultMaxRedirs       = 10
	DefaultParallel        = 50
	DefaultParallelHost    = 2
	DefaultParallelAddress = 8
	DefaultWait            = 500 * time.Millisecond
	DefaultTries           = 4
	DefaultMaxFilesize     = 16 << 20
	DefaultWARCSize        = 1 << 30

	// UserAgent is what is sent, and what robots.txt files may name, unless the
	// user names another.
	UserAgent = direct.UserAgent
)

// roots returns the roots in their canonical form.
func (o *Options) roots() ([]urls.URL, error) {
	var list []urls.URL
	for _, text := range o.Roots {
		u, err := urls.Parse(text)
		if err != nil {
			return nil, &fetch.Error{Code: fetch.BadURL, URL: text, Err: err}
		}
		list = append(list, u)
	}
	return list, nil
}
