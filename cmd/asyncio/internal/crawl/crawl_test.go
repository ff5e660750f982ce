package crawl_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// asProgram is set for a copy of the test program that is to be the program.
const asProgram = "ASYNCIO_TEST_AS_PROGRAM"

// compacting has it compact its journal all the time.
const compacting = "ASYNCIO_TEST_COMPACT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if os.Getenv(compacting) != "" {
			crawl.CompactAlways()
		}
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// options are those of a crawl of one's own hosts.
func options(s *site, dir string) *crawl.Options {
	o := &crawl.Options{
		Roots: []string{s.root()}, Domains: []string{"test"}, MaxRedirs: crawl.DefaultMaxRedirs, AllowPrivate: true,
		Parallel: crawl.DefaultParallel, ParallelHost: crawl.DefaultParallelHost, Tries: crawl.DefaultTries, MaxFilesize: 1 << 20,
		Directory: dir,
	}
	o.Fetch.Resolve, o.Fetch.Compressed, o.Fetch.MaxTime = s.resolve(), true, 20*time.Second
	return o
}

// ran is how a crawl went.
type ran struct {
	code      fetch.Code
	out, errs string
}

func run(t testing.TB, ctx context.Context, o *crawl.Options, opts ...asyncio.Option) ran {
	t.Helper()
	var out, errs bytes.Buffer
	var r ran
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		r.code = crawl.Run(ctx, o, fetch.Streams{Stdout: &out, Stderr: &errs})
		return nil
	}, opts...)
	if err != nil && !asyncio.IsCancelled(err) {
		t.Fatal(err)
	}
	r.out, r.errs = out.String(), errs.String()
	return r
}

// files returns the names of all files below a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// checkSite checks by the files and by the site's log that a crawl has saved all
// and only what it should. again is how many pages it may have fetched more than
// once.
func checkSite(t *testing.T, s *site, dir string, perHost, again int) {
	t.Helper()
	want, have := map[string]string{}, map[string]bool{}
	for n := range s.pages {
		if s.reachable(n) {
			u, err := urls.Parse(s.url(n))
			if err != nil {
				t.Fatal(err)
			}
			want[store.Name(u, store.HTML)] = s.page(n)
		}
	}
	for _, name := range files(t, dir) {
		text, isPage := want[name]
		switch {
		case isPage:
			have[name] = true
			if b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || string(b) != text {
				t.Errorf("%s has %d bytes of %d, %v", name, len(b), len(text), err)
			}
		case strings.Contains(name, "/trap/"), strings.Contains(name, "/calendar/"), strings.HasSuffix(name, "/quiet_.html"):
		default:
			t.Errorf("%s was saved", name)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d of %d pages were saved", len(have), len(want))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more, missing := 0, 0
	for n := range s.pages {
		switch count := s.whole[n]; {
		case !s.reachable(n):
			if count > 0 {
				t.Errorf("page %d is not reachable, and was served", n)
			}
		case count == 0:
			missing++
		default:
			more += count - 1
		}
		if s.fails(n) && s.tries[n] > crawl.DefaultTries*(1+again) {
			t.Errorf("page %d always fails, and was asked for %d times", n, s.tries[n])
		}
	}
	if missing > 0 || more > again {
		t.Errorf("%d pages were never fetched, %d fetched again, of which %d may be", missing, more, again)
	}
	for host, n := range s.most {
		if n > perHost {
			t.Errorf("%s had %d requests at a time", host, n)
		}
	}
	if s.other["private"] > 0 || s.other["nofollow"] > 0 || s.other["long"] > 0 {
		t.Errorf("what is forbidden was asked for: %v", s.other)
	}
	hosts := s.hosts
	if s.other["trap"] > 3*hosts*(1+again) || s.other["chain"] > 12*hosts*(1+again) || s.other["loop"] > 2*hosts*(1+again) || s.other["calendar"] > 1000*hosts*(1+again) {
		t.Errorf("a trap was not seen: %v", s.other)
	}
	t.Logf("%d pages, %d fetched again, besides %v", len(have), more, s.other)
}

func TestAllAndOnlyTheReachablePagesAreSaved(t *testing.T) {
	for name, opts := range map[string][]asyncio.Option{"own driver": nil, "portable driver": {asyncio.WithPortableDriver()}} {
		t.Run(name, func(t *testing.T) {
			pages, hosts := 400, 20
			if *crawl.Full {
				pages, hosts = 20_000, 200
			}
			s := newSite(t, pages, hosts, true)
			o := options(s, t.TempDir())
			o.Fetch.MaxTime = 5 * time.Second
			began := time.Now()
			got := run(t, t.Context(), o, opts...)
			took := time.Since(began)
			if got.code != 0 {
				t.Fatalf("%+v", got)
			}
			if strings.ContainsAny(got.out+got.errs, "\x1b\x00\a") {
				t.Errorf("the report has control characters: %q", got.out+got.errs)
			}
			checkSite(t, s, o.Directory, o.ParallelHost, 0)
			t.Logf("%v\n%s", took, got.out)
			if n := s.agents["asyncio-crawl/1"]; len(s.agents) != 1 || n == 0 {
				t.Errorf("agents: %v", s.agents)
			}
		})
	}
}

func TestNothingIsSavedWithoutADirectory(t *testing.T) {
	s := newSite(t, 50, 3, false)
	o := options(s, "")
	o.NDJSON = true
	got := run(t, t.Context(), o)
	if got.code != 0 || strings.Count(got.out, "\n") < 50 || !strings.Contains(got.errs, "0 left to do") {
		t.Errorf("%+v", got)
	}
	for line := range strings.Lines(got.out) {
		if !strings.HasPrefix(line, `{"content_type":`) || !strings.Contains(line, `"urlnum":`) || !strings.HasSuffix(line, "}\n") {
			t.Errorf("%q", line)
		}
	}
}
