package crawl_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// web is some hosts: by host without its port and path, what they answer. A
// value that begins with -> is a redirect, one that is a number a status; a word
// with a slash before a bar is the type. All names resolve to this machine.
type web struct {
	*httptest.Server
	port string

	mu   sync.Mutex
	seen []string
}

func newWeb(t testing.TB, pages map[string]string) *web {
	w := &web{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		key := host + r.URL.RequestURI()
		w.mu.Lock()
		w.seen = append(w.seen, key)
		w.mu.Unlock()
		text, ok := pages[key]
		text = strings.ReplaceAll(text, "PORT", w.port)
		kind, rest, typed := strings.Cut(text, "|")
		status, err := strconv.Atoi(text)
		switch {
		case !ok:
			http.NotFound(out, r)
		case strings.HasPrefix(text, "->"):
			http.Redirect(out, r, text[2:], http.StatusFound)
		case err == nil:
			out.WriteHeader(status)
		case typed && strings.Contains(kind, "/") && !strings.Contains(kind, "<"):
			out.Header().Set("Content-Type", kind)
			io.WriteString(out, rest)
		default:
			out.Header().Set("Content-Type", "text/html")
			io.WriteString(out, text)
		}
	}))
	_, w.port, _ = net.SplitHostPort(w.Listener.Addr().String())
	w.Start()
	t.Cleanup(w.Close)
	return w
}

// crawl crawls from roots, hosts and paths without the port, and returns how it
// went and the files.
func (w *web) crawl(t testing.TB, change func(*crawl.Options), roots ...string) (ran, []string) {
	t.Helper()
	port, _ := strconv.ParseUint(w.port, 10, 16)
	o := &crawl.Options{
		MaxRedirs: crawl.DefaultMaxRedirs, AllowPrivate: true, Parallel: 10, ParallelHost: 2, Tries: 2, MaxFilesize: 1 << 20, Directory: t.TempDir(),
	}
	o.Fetch.Resolve = []fetch.ResolveRule{{Host: "*", Port: uint16(port), Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}
	for _, r := range roots {
		host, path, _ := strings.Cut(r, "/")
		o.Roots = append(o.Roots, "http://"+host+":"+w.port+"/"+path)
	}
	if change != nil {
		change(o)
	}
	got := run(t, t.Context(), o)
	var names []string
	if o.Directory != "" {
		names = files(t, o.Directory)
	}
	for i, name := range names {
		names[i] = strings.Replace(name, "+http+"+w.port, "", 1)
	}
	return got, names
}

// asked returns the requests but those for robots.txt, sorted.
func (w *web) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(w.seen), func(s string) bool { return strings.HasSuffix(s, "/robots.txt") })
	slices.Sort(list)
	return list
}

var small = map[string]string{
	"a.test/":            `<a href="/1.html">1</a><a href="http://b.test:PORT/">b</a><a href="http://www.a.test:PORT/w">w</a><a href="http://x.a.test:PORT/">x</a>`,
	"a.test/1.html":      `<a href="/dir/2.html">2</a><img src="/i.png">`,
	"a.test/dir/2.html":  `<a href="3.html">3</a><a href="/1.html">1</a><a href="pic.png">p</a><link rel=stylesheet href=/s.css>`,
	"a.test/dir/3.html":  `<a href="/to-b">b</a><a href="/gone">g</a>`,
	"a.test/dir/pic.png": "image/png|png",
	"a.test/i.png":       "image/png|icon",
	"a.test/s.css":       `text/css|@import "t.css"; a{b:url(/bg.png)}`,
	"a.test/t.css":       "text/css|a{}",
	"a.test/bg.png":      "image/png|bg",
	"a.test/to-b":        "->http://b.test:PORT/far",
	"a.test/gone":        "410",
	"www.a.test/w":       "the other name",
	"x.a.test/":          "a host below",
	"b.test/":            "elsewhere",
	"b.test/far":         "far away",
}

func TestWhichLinksAreFollowed(t *testing.T) {
	all := []string{"a.test/1.html", "a.test/dir/2.html", "a.test/dir/3.html", "a.test/dir/pic.png", "a.test/index.html", "www.a.test/w_.html"}
	for name, c := range map[string]struct {
		change func(*crawl.Options)
		root   string
		want   []string
	}{
		"the root's host":   {nil, "a.test/", all},
		"one link":          {func(o *crawl.Options) { o.Level = 1 }, "a.test/", []string{"a.test/1.html", "a.test/index.html", "www.a.test/w_.html"}},
		"domains":           {func(o *crawl.Options) { o.Domains = []string{"a.test", "b.test"} }, "a.test/", append([]string{"b.test/far_.html", "b.test/index.html", "x.a.test/index.html"}, all...)},
		"no parent":         {func(o *crawl.Options) { o.NoParent = true }, "a.test/dir/2.html", []string{"a.test/dir/2.html", "a.test/dir/3.html", "a.test/dir/pic.png"}},
		"accepted names":    {func(o *crawl.Options) { o.Accept = []string{".png"} }, "a.test/", []string{"a.test/dir/pic.png"}},
		"rejected names":    {func(o *crawl.Options) { o.Reject = []string{"*.png", "2.html"} }, "a.test/", []string{"a.test/1.html", "a.test/dir/3.html", "a.test/index.html", "www.a.test/w_.html"}},
		"accepted URLs":     {func(o *crawl.Options) { o.AcceptRegexp = regexp.MustCompile(`/dir/|1\.html$`) }, "a.test/", []string{"a.test/1.html", "a.test/dir/2.html", "a.test/dir/3.html", "a.test/dir/pic.png", "a.test/index.html"}},
		"rejected URLs":     {func(o *crawl.Options) { o.RejectRegexp = regexp.MustCompile(`/dir/`) }, "a.test/", []string{"a.test/1.html", "a.test/index.html", "www.a.test/w_.html"}},
		"some pages":        {func(o *crawl.Options) { o.MaxPages, o.Parallel = 1, 1 }, "a.test/", []string{"a.test/index.html"}},
		"some of a host":    {func(o *crawl.Options) { o.MaxPagesHost = 2 }, "a.test/", []string{"a.test/1.html", "a.test/index.html", "www.a.test/w_.html"}},
		"a quota":           {func(o *crawl.Options) { o.Quota, o.Parallel = 1, 1 }, "a.test/", []string{"a.test/index.html"}},
		"requisites":        {func(o *crawl.Options) { o.Requisites, o.Level = true, 2 }, "a.test/", []string{"a.test/1.html", "a.test/bg.png", "a.test/dir/2.html", "a.test/i.png", "a.test/index.html", "a.test/s.css", "a.test/t.css", "www.a.test/w_.html"}},
		"a root's redirect": {nil, "a.test/to-b", []string{"b.test/far_.html"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t, small)
			got, files := w.crawl(t, c.change, c.root)
			slices.Sort(c.want)
			if got.code != 0 || !slices.Equal(files, c.want) {
				t.Errorf("%q\nwant %q\n%+v", files, c.want, got)
			}
			if list := w.asked(); len(slices.Compact(list)) != len(w.asked()) {
				t.Errorf("something was asked for twice: %q", w.asked())
			}
		})
	}
}

func TestRobotsAreHeeded(t *testing.T) {
	pages := map[string]string{
		"a.test/":           `<a href=/ok>o</a><a href=/no>n</a><a href=http://b.test:PORT/x>b</a><a href=http://c.test:PORT/x>c</a><a href=http://d.test:PORT/x>d</a>`,
		"a.test/robots.txt": "text/plain|User-agent: asyncio-crawl\nDisallow: /no",
		"a.test/ok":         `<a rel=nofollow href=/never>n</a>`, "a.test/no": "x", "a.test/never": "x",
		"b.test/robots.txt": "->http://a.test:PORT/b-rules", "a.test/b-rules": "text/plain|User-agent: *\nDisallow: /", "b.test/x": "x",
		"c.test/robots.txt": "401", "c.test/x": "x", // not allowed to see the rules is none
		"d.test/robots.txt": "->/robots.txt", "d.test/x": "x", // round and round
	}
	domains := func(o *crawl.Options) { o.Domains = []string{"test"} }
	w := newWeb(t, pages)
	got, names := w.crawl(t, domains, "a.test/")
	if want := []string{"a.test/index.html", "a.test/ok_.html", "c.test/x_.html", "d.test/x_.html"}; !slices.Equal(names, want) || !strings.Contains(got.out, "2 robots.txt forbids it") {
		t.Errorf("%q\nwant %q\n%+v", names, want, got)
	}
	got, names = newWeb(t, pages).crawl(t, func(o *crawl.Options) { domains(o); o.NoRobots = true }, "a.test/")
	if want := []string{"a.test/index.html", "a.test/never_.html", "a.test/no_.html", "a.test/ok_.html", "b.test/x_.html", "c.test/x_.html", "d.test/x_.html"}; !slices.Equal(names, want) {
		t.Errorf("%q\nwant %q\n%+v", names, want, got)
	}
}

func TestSitemaps(t *testing.T) {
	w := newWeb(t, map[string]string{
		"a.test/":            "no links",
		"a.test/robots.txt":  "text/plain|Sitemap: http://a.test:PORT/maps/index.xml",
		"a.test/sitemap.xml": "application/xml|<urlset><url><loc>http://a.test:PORT/one</loc></url><url><loc>http://b.test:PORT/no</loc></url></urlset>",
		"a.test/maps/index.xml": `application/xml|<sitemapindex><sitemap><loc>http://a.test:PORT/maps/2.txt</loc></sitemap>
			<sitemap><loc>http://a.test:PORT/maps/index.xml</loc></sitemap></sitemapindex>`,
		"a.test/maps/2.txt": "text/plain|http://a.test:PORT/two\n",
		"a.test/one":        "1", "a.test/two": "two",
	})
	got, names := w.crawl(t, func(o *crawl.Options) { o.Sitemaps = true }, "a.test/")
	if want := []string{"a.test/index.html", "a.test/two_.html"}; !slices.Equal(names, want) || !slices.Contains(w.asked(), "a.test/one") || slices.Contains(w.asked(), "b.test/no") {
		t.Errorf("%q, want %q\n%q\n%+v", names, want, w.asked(), got)
	}
}

func TestLinksAreConverted(t *testing.T) {
	w := newWeb(t, map[string]string{
		"a.test/":        `<base href="/d/"><a href="p?q=1#f">p</a><a href="/to">t</a><a href="/gone">g</a><a href="http://z/">z</a><img src="/i.png"><style>a{b:url(/i.png)}</style>`,
		"a.test/d/p?q=1": `<a href="/">up</a>`, "a.test/to": "->/end/", "a.test/end/": `<a href="../d/p?q=1">p</a>`, "a.test/i.png": "image/png|x",
	})
	state, dir := t.TempDir(), t.TempDir()
	change := func(o *crawl.Options) { o.Convert, o.Requisites, o.State, o.Directory = true, true, state, dir }
	got, names := w.crawl(t, change, "a.test/")
	if got.code != 0 || !slices.Equal(names, []string{"a.test/d/p%3fq=1_.html", "a.test/end/index.html", "a.test/i.png", "a.test/index.html"}) {
		t.Fatalf("%q, %+v", names, got)
	}
	base := filepath.Join(dir, "a.test+http+"+w.port)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(base, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	index := read("index.html")
	if want := fmt.Sprintf(`<a href="d/p%%253fq=1_.html#f">p</a><a href="end/index.html">t</a><a href="http://a.test:%s/gone">g</a><a href="http://z/">z</a><img src="i.png"><style>a{b:url("i.png")}</style>`, w.port); !strings.HasPrefix(index, want+"\n<!--") {
		t.Errorf("%s\nwant %s", index, want)
	}
	if p := read("d/p%3fq=1_.html"); !strings.HasPrefix(p, `<a href="../index.html">up</a>`) {
		t.Error(p)
	}
	if p := read("end/index.html"); !strings.HasPrefix(p, `<a href="../d/p%253fq=1_.html">p</a>`) {
		t.Error(p)
	}
	got, _ = w.crawl(t, func(o *crawl.Options) { change(o); o.Resume = true })
	if got.code != 0 || read("index.html") != index {
		t.Errorf("it was converted twice: %+v", got)
	}
}

// TestAddressesThatAreNotPublicAreRefused asks for them in three ways.
func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	w := newWeb(t, small)
	for what, root := range map[string]string{"an address": "http://127.0.0.1:" + w.port + "/", "a name": "http://a.test:" + w.port + "/", "version 6": "http://[::1]:" + w.port + "/"} {
		got, names := w.crawl(t, func(o *crawl.Options) { o.AllowPrivate, o.Roots = false, []string{root} })
		if len(names) > 0 || len(w.asked()) > 0 || !strings.Contains(got.errs, "loopback address; --allow-private permits it") {
			t.Errorf("%s: %q, %q, %+v", what, names, w.asked(), got)
		}
	}
	// Behind a proxy it is the proxy that connects.
	got, names := w.crawl(t, func(o *crawl.Options) {
		o.AllowPrivate, o.Roots, o.Fetch.Proxy = false, []string{"http://169.254.169.254/latest"}, &w.URL
	})
	if len(names) > 0 || len(w.seen) > 0 || !strings.Contains(got.errs, "link-local address; --allow-private permits it") {
		t.Errorf("by a proxy: %q, %q, %+v", names, w.seen, got)
	}
}

// TestARebindingNameIsRefused has a name that resolves to an address that is
// allowed, and to one that is not: the second is never connected to. A redirect
// to the address itself is no way around it.
func TestARebindingNameIsRefused(t *testing.T) {
	w := newWeb(t, map[string]string{
		"good.test/": `<a href=/away>a</a><a href=http://both.test:PORT/>b</a><a href=http://bad.test:PORT/>c</a>`, "good.test/away": "->http://127.0.0.2:PORT/secret",
		"both.test/": "fine", "bad.test/": "secret", "127.0.0.2/secret": "secret",
	})
	port, _ := strconv.ParseUint(w.port, 10, 16)
	good, bad := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	o := &crawl.Options{MaxRedirs: 9, Parallel: 4, ParallelHost: 2, Tries: 2, MaxFilesize: 1 << 20, Directory: t.TempDir(), Domains: []string{"test", "127.0.0.2"}, Roots: []string{"http://good.test:" + w.port}}
	o.Fetch.Resolve = []fetch.ResolveRule{
		{Host: "good.test", Port: uint16(port), Addrs: []netip.Addr{good}},
		{Host: "both.test", Port: uint16(port), Addrs: []netip.Addr{bad, good}},
		{Host: "bad.test", Port: uint16(port), Addrs: []netip.Addr{bad}},
	}
	o.AllowPrivate = true // our own check stands in its place
	o.Fetch.CheckAddr = func(a netip.Addr) error {
		if a == good {
			return nil
		}
		return &safety.AddressError{Addr: a, Why: "private"}
	}
	got := run(t, t.Context(), o)
	names := files(t, o.Directory)
	if got.code != 0 || len(names) != 2 || strings.Contains(strings.Join(w.asked(), " "), "secret") || slices.Contains(w.asked(), "bad.test/") {
		t.Errorf("%q, %q, %+v", names, w.asked(), got)
	}
}

// TestTheCrawlerOf500Lines has the kind of site that the crawler of "500 Lines
// or Less" was made for, and what that one finds there, page by page: redirects
// are followed so often, a chain beyond that ends, hosts are strict or lenient,
// and only what is new counts as new.
func TestTheCrawlerOf500Lines(t *testing.T) {
	pages := map[string]string{
		"xkcd.test/":   `<a href="/1">1</a><a href="/2">2</a><a href="/1#x">1</a><a href="http://www.xkcd.test:PORT/w">w</a><a href="http://m.xkcd.test:PORT/m">m</a><a href="http://other.test:PORT/">o</a>`,
		"xkcd.test/1":  `<a href="/">home</a><a href="/r0">r</a>`,
		"xkcd.test/2":  `<a href="/404">x</a><a href="/500">x</a><a href="mailto:x@y">m</a>`,
		"xkcd.test/r0": "->/r1", "xkcd.test/r1": "->/r2", "xkcd.test/r2": "->/r3", "xkcd.test/r3": "the end",
		"www.xkcd.test/w": "w", "m.xkcd.test/m": "m", "xkcd.test/500": "500", "other.test/": "o",
	}
	line := func(r ran, host, path string) string {
		for l := range strings.Lines(r.errs) {
			if strings.HasPrefix(strings.ReplaceAll(l, host, "HOST"), "http://HOST"+path+" ") {
				_, rest, _ := strings.Cut(l, " ")
				return strings.TrimSpace(strings.ReplaceAll(rest, "http://"+host, ""))
			}
		}
		return "nothing"
	}
	for _, c := range []struct {
		lenient bool
		redirs  int
		want    map[string]string // by host and path, as its report has it: status, type, size, new and all URLs
	}{
		{false, 10, map[string]string{"xkcd.test/": "3/3", "xkcd.test/1": "1/2", "xkcd.test/2": "2/2", "xkcd.test/r0": "302 redirect /r1", "xkcd.test/r3": "0/0", "xkcd.test/404": "status 404", "xkcd.test/500": "status 500", "www.xkcd.test/w": "0/0", "m.xkcd.test/m": "nothing", "other.test/": "nothing"}},
		{true, 2, map[string]string{"xkcd.test/": "4/4", "xkcd.test/r2": "302 redirect /r3", "xkcd.test/r3": "nothing", "m.xkcd.test/m": "0/0", "other.test/": "nothing"}},
	} {
		w := newWeb(t, pages)
		got, _ := w.crawl(t, func(o *crawl.Options) {
			o.MaxRedirs, o.Verbose, o.NoRobots, o.Directory, o.Tries = c.redirs, true, true, "", 4
			if c.lenient {
				o.Domains = []string{"xkcd.test"}
			}
		}, "xkcd.test/")
		for where, want := range c.want {
			host, path, _ := strings.Cut(where, "/")
			if text := line(got, host+":"+w.port, "/"+path); !strings.HasSuffix(text, want) {
				t.Errorf("lenient %v: %s: %q, want %q\n%s", c.lenient, where, text, want, got.errs)
			}
		}
		if tries := strings.Count(strings.Join(w.asked(), " ")+" ", "xkcd.test/500 "); tries != 4 {
			t.Errorf("what fails is tried %d times", tries)
		}
	}
}

func TestAnInterruptReports(t *testing.T) {
	s := newSite(t, 400, 4, false)
	o := options(s, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	reached := s.after(30)
	go func() {
		<-reached
		cancel()
	}()
	got := run(t, ctx, o)
	if got.code != fetch.Interrupted || !strings.HasPrefix(got.out, "Interrupted.\n") || strings.Contains(got.out, " 0 left to do") {
		t.Errorf("%+v", got)
	}
}

func TestWARCFilesOfACrawl(t *testing.T) {
	w := newWeb(t, small)
	prefix := filepath.Join(t.TempDir(), "c")
	got, _ := w.crawl(t, func(o *crawl.Options) { o.WARC, o.Fetch.Compressed = prefix, true }, "a.test/")
	if info, err := os.Stat(prefix + "-00000.warc.gz"); got.code != 0 || err != nil || info.Size() < 1000 {
		t.Errorf("%v, %+v", err, got)
	}
}
