package crawl_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// generator is a fetcher that makes up pages: page n of a site leads to 3n+1 to
// 3n+3.
type generator struct {
	pages, hosts int
	fetched      int
}

func (g *generator) url(n int) string {
	return fmt.Sprintf("http://host%d.example.com/some/page-%d.html", n%g.hosts, n)
}

func (g *generator) Get(_ context.Context, q *fetch.Request) (*fetch.Response, error) {
	r := &fetch.Response{Result: fetch.Result{URL: q.URL.String(), Code: 200, Header: http.Header{"Content-Type": {"text/html"}}}}
	name := strings.TrimSuffix(q.URL.Path[strings.LastIndexByte(q.URL.Path, '-')+1:], ".html")
	n, _ := strconv.Atoi(name)
	var b bytes.Buffer
	for k := 3*n + 1; k <= 3*n+3 && k < g.pages; k++ {
		fmt.Fprintf(&b, "<a href=%q>x</a>", g.url(k))
	}
	g.fetched++
	r.Body = b.Bytes()
	return r, nil
}

// sleeper is a generator whose pages take a second of the loop's clock.
type sleeper generator

func (s *sleeper) url(n int) string { return (*generator)(s).url(n) }

func (s *sleeper) Get(ctx context.Context, q *fetch.Request) (*fetch.Response, error) {
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	return (*generator)(s).Get(ctx, q)
}
