package crawl_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/sim"
)

// A worldSite is a site on some hosts of a simulated world. Page n leads to the pages
// 2n+1 and 2n+2, and to one that is known already.
type worldSite struct {
	w            *sim.World
	pages, hosts int
	whole        map[int]int            // how often a page was served
	active       map[string]map[int]int // requests under way, by host and its start
	starts       map[string]int
	most         int
}

func (s *worldSite) host(n int) string { return fmt.Sprintf("h%d.test", n%s.hosts) }

func (s *worldSite) url(n int) string { return fmt.Sprintf("http://%s/p/%d", s.host(n), n) }

func (s *worldSite) page(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<title>%d</title>", n)
	for _, k := range []int{2*n + 1, 2*n + 2, n * 7919 % s.pages} {
		if k < s.pages {
			fmt.Fprintf(&b, "<a href=%q>%d</a>", s.url(k), k)
		}
	}
	return b.String()
}

func (s *worldSite) serve(host string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		s.starts[host]++
		start := s.starts[host]
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under := s.active[host]
			if under == nil {
				under = make(map[int]int)
				s.active[host] = under
			}
			under[start]++
			defer func() { under[start]-- }()
			s.most = max(s.most, under[start])
			s.answer(w, r)
		})}
		return srv.Serve(ctx, "tcp", ":80")
	}
}

func (s *worldSite) answer(w http.ResponseWriter, r *http.Request) {
	text, ok := strings.CutPrefix(r.URL.Path, "/p/")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || s.host(n) != r.Host {
		http.NotFound(w, r)
		return
	}
	if err := asyncio.Sleep(r.Context(), time.Duration(s.w.Pick(30))*time.Millisecond); err != nil {
		return
	}
	if s.w.Chance(0.1) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	if _, err := io.WriteString(w, s.page(n)); err == nil {
		s.whole[n]++
	}
}

// check compares what was saved.
func (s *worldSite) check(dir string) error {
	for n := range s.pages {
		u, err := urls.Parse(s.url(n))
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(store.Name(u, store.HTML))))
		if err != nil || string(got) != s.page(n) {
			return fmt.Errorf("page %d: %d bytes of %d, %v", n, len(got), len(s.page(n)), err)
		}
	}
	return nil
}

// TestACrawlLosesNothingInAnyWorld crashes the crawl and its servers, cuts it off from
// them, and lets it go on. All pages are saved in the end, and each is fetched again only
// where a crash was.
func TestACrawlLosesNothingInAnyWorld(t *testing.T) {
	top := t.TempDir()
	worlds := 0
	sim.Test(t, func(w *sim.World) {
		worlds++
		dir := filepath.Join(top, strconv.Itoa(worlds))
		s := &worldSite{
			w: w, pages: 25, hosts: 3, whole: make(map[int]int), active: make(map[string]map[int]int), starts: make(map[string]int),
		}
		var servers []*sim.Host
		for i := range s.hosts {
			h := w.Host(s.host(i))
			h.Serve(s.serve(h.Name()))
			servers = append(servers, h)
		}
		crawler := w.Host("crawler")
		over, begun, crashes := false, 0, 0
		crawler.Serve(func(ctx context.Context) error {
			if over {
				return nil
			}
			begun++
			// The lock of one that has crashed is that of this process, so the next one
			// has a copy of its disk.
			state := fmt.Sprint(dir, ".state", begun)
			if begun > 1 {
				if err := os.CopyFS(state, os.DirFS(fmt.Sprint(dir, ".state", begun-1))); err != nil && !os.IsNotExist(err) {
					return err
				}
			}
			o := &crawl.Options{
				Roots: []string{s.url(0)}, Domains: []string{"test"}, MaxRedirs: crawl.DefaultMaxRedirs, AllowPrivate: true,
				Parallel: 4, ParallelHost: 2, Tries: 50, MaxFilesize: 1 << 20, Directory: dir, State: state, Resume: begun > 1,
				Wait: 5 * time.Millisecond, RandomWait: true, Silent: true,
			}
			o.Fetch.MaxTime = 5 * time.Second
			var errs bytes.Buffer
			// In the first moment there is nothing to go on with.
			if _, err := os.Stat(filepath.Join(o.State, "journal")); err != nil {
				o.Resume = false
			}
			code := crawl.Run(ctx, o, fetch.Streams{Stdout: io.Discard, Stderr: &errs})
			if code != fetch.OK || errs.Len() > 0 {
				return fmt.Errorf("run %d ended with %d: %s", begun, code, errs.Bytes())
			}
			if err := s.check(dir); err != nil {
				return err
			}
			over = true
			return os.RemoveAll(dir)
		})
		for range w.Pick(4) {
			at := time.Duration(w.Pick(100)) * 20 * time.Millisecond
			server := servers[w.Pick(len(servers))]
			switch w.Pick(3) {
			case 0:
				w.At(at, func() {
					if !over {
						crashes++
						crawler.Restart()
					}
				})
			case 1:
				w.At(at, server.Crash)
				w.At(at+2*time.Second, server.Restart)
			case 2:
				w.At(at, func() { w.Partition(crawler, server) })
				w.At(at+3*time.Second, func() { w.Heal(crawler, server) })
			}
		}
		w.Always("a host has as many requests as it may", func() bool {
			// A server learns late that a crawl has crashed or given up.
			return crashes > 0 || s.most <= 2 || w.Now() > time.Second
		})
		w.Eventually("the crawl is over", 50*time.Minute, func() bool {
			w.Sometimes("the crawl has crashed", crashes > 0)
			return over
		})
		w.At(49*time.Minute, func() {
			for n, times := range s.whole {
				if times > 1+crashes+12 { // a server's answer may be lost under way
					w.Failf("page %d was served %d times, with %d crashes", n, times, crashes)
				}
			}
		})
	}, sim.Seeds(30))
}
