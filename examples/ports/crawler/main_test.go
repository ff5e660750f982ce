package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site has a page that fails once, a circle, redirects, and links to elsewhere.
func site() http.Handler {
	failed := false
	page := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, body)
		}
	}
	m := http.NewServeMux()
	m.Handle("/{$}", page(`<a href="/a#top">a</a> <A HREF='b'>b</A> <a href="http://elsewhere.test/">no</a> <a href="mailto:x">no</a>`))
	m.Handle("/a", page(`<a href="/">back</a> <a href="/a#bottom">here</a> <a href="/away">away</a>`))
	m.HandleFunc("/b", func(w http.ResponseWriter, r *http.Request) {
		if !failed {
			failed = true
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close() // without an answer
			}
			return
		}
		page(`<link href="/loop/9">`)(w, r)
	})
	m.Handle("/away", http.RedirectHandler("/text", http.StatusFound))
	m.HandleFunc("/text", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "<a href=/never>")
	})
	m.HandleFunc("/loop/{n}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"9", http.StatusFound)
	})
	return m
}

func TestCrawlFollowsLinksAndRedirectsOfItsHost(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		srv := &asynchttp.Server{Handler: site()}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Shutdown(ctx)
		c := &crawler{tasks: 3, tries: 2, redirects: 3, strict: true}
		root := "http://" + addr.String()
		if err := c.crawl(ctx, []string{root + "/"}); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		c.report(&b)
		want := `/: 200, 106 bytes, 4 links (2 new)
/a: 200, 74 bytes, 3 links (1 new)
/away: 302 to /text
/b: 200, 21 bytes, 1 links (1 new)
/loop/9: 302 to /loop/99
/loop/99: 302 to /loop/999
/loop/999: 302 to /loop/9999
/loop/9999: 302 to /loop/99999
/text: 200, 15 bytes, 0 links (0 new)
9 pages
`
		if got := strings.ReplaceAll(b.String(), root, ""); got != want {
			t.Errorf("it reports\n%s\nwant\n%s", got, want)
		}
	}, asynctest.WithRealClock())
}

func TestCrawlTellsOfWhatIsNotThere(t *testing.T) {
	const down = "http://127.0.0.1:1/"
	asynctest.Run(t, func(ctx context.Context) {
		c := &crawler{tasks: 1, tries: 2, redirects: 3}
		if err := c.crawl(ctx, []string{down}); err != nil {
			t.Fatal(err)
		}
		if len(c.done) != 1 || c.done[0].err == nil || !strings.Contains(c.done[0].err.Error(), "refused") {
			t.Errorf("%+v", c.done)
		}
	}, asynctest.WithRealClock())
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		host   string
		strict bool
		want   bool
	}{
		{"example.com", true, true}, {"WWW.example.com", true, true}, {"docs.example.com", true, false},
		{"docs.example.com", false, true}, {"badexample.com", false, false},
	} {
		crawl := &crawler{hosts: []string{"example.com"}, strict: c.strict}
		if got := crawl.allows(bare(c.host)); got != c.want {
			t.Errorf("%s, strict %v: %v", c.host, c.strict, got)
		}
	}
}
