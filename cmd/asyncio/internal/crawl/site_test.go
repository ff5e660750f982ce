package crawl_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// site is a generated site: pages on many hosts, half of them on the first one,
// among traps, loops, redirects, and servers that are slow or hostile. It keeps
// the log by which a crawl is judged.
//
// Page n leads to the pages 3n+1 to 3n+3, so all are reachable from page 0, and
// to some that are known already, spelled in other ways.
type site struct {
	pages, hosts int
	hostile      bool // some URLs never end, and take their time
	server       *httptest.Server
	port         string

	mu       sync.Mutex
	whole    map[int]int    // how often a page was served whole
	tries    map[int]int    // how often it was asked for
	other    map[string]int // requests for what is no page, by the first part of the path
	active   map[string]int // requests under way, by host
	most     map[string]int
	agents   map[string]int
	served   int
	notified chan struct{} // closed when served has reached target
	target   int
}

func newSite(t testing.TB, pages, hosts int, hostile bool) *site {
	s := &site{
		pages: pages, hosts: hosts, hostile: hostile, whole: map[int]int{}, tries: map[int]int{},
		other: map[string]int{}, active: map[string]int{}, most: map[string]int{}, agents: map[string]int{},
	}
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, s.port, _ = net.SplitHostPort(s.server.Listener.Addr().String())
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// resolve is the rule that sends all hosts here.
func (s *site) resolve() []fetch.ResolveRule {
	port, _ := strconv.ParseUint(s.port, 10, 16)
	return []fetch.ResolveRule{{Host: "*", Port: uint16(port), Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}
}

func (s *site) host(n int) string {
	if n%2 == 0 || s.hosts == 1 {
		return "h0.test:" + s.port
	}
	return fmt.Sprintf("h%d.test:%s", 1+n/2%(s.hosts-1), s.port)
}

func (s *site) url(n int) string { return fmt.Sprintf("http://%s/p/%d", s.host(n), n) }

// root is where a crawl begins.
func (s *site) root() string { return s.url(0) }

// What a page is, beside a page. Those that fail have no pages below them.
func (s *site) leaf(n int) bool       { return 3*n+1 >= s.pages }
func (s *site) fails(n int) bool      { return s.leaf(n) && n%59 == 3 }
func (s *site) forbidden(n int) bool  { return s.leaf(n) && n%61 == 5 }
func (s *site) redirected(n int) bool { return n%41 == 7 }
func (s *site) flaky(n int) bool      { return n%53 == 5 }
func (s *site) busy(n int) bool       { return n%(s.pages/4+1) == 17 }
func (s *site) slow(n int) bool       { return n%97 == 9 }

// reachable reports whether a page is to be saved.
func (s *site) reachable(n int) bool { return !s.fails(n) && !s.forbidden(n) }

// link is how a page refers to another.
func (s *site) link(n int) string {
	switch {
	case s.forbidden(n):
		return fmt.Sprintf("http://%s/private/%d", s.host(n), n)
	case s.redirected(n):
		return fmt.Sprintf("http://%s/r/%d", s.host(n), n)
	}
	return s.url(n)
}

// page is the text of a page.
func (s *site) page(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<html><title>%d</title>", n)
	for k := 3*n + 1; k <= 3*n+3 && k < s.pages; k++ {
		fmt.Fprintf(&b, "<p><a href=%q>%d</a>\n", s.link(k), k)
	}
	back := n * 7919 % s.pages
	if s.reachable(back) {
		fmt.Fprintf(&b, `<a href="HTTP://%s:%s/x/%%2e%%2e/%%70/%d#top">again</a>`, strings.ToUpper(strings.TrimSuffix(s.host(back), ":"+s.port)), s.port, back)
	}
	host := s.host(n)
	fmt.Fprintf(&b, `<a href="mailto:a@b">m</a><a href="https://elsewhere.example/">e</a><a rel="nofollow" href="/nofollow/%d">n</a>`, n)
	switch n % 50 {
	case 0:
		fmt.Fprintf(&b, `<a href="http://%s/trap/x">t</a><a href="/loop/a">l</a><a href="/chain/0">c</a><a href="/calendar/2000/01">d</a>`, host)
	case 1:
		b.WriteString(`<a href="/quiet">q</a><a href="/long/` + strings.Repeat("x", 3000) + `">x</a>`)
	case 2:
		if s.hostile && n < 500 {
			b.WriteString(`<a href="/hostile/endless">1</a><a href="/hostile/bomb">2</a><a href="/hostile/header">3</a><a href="/hostile/garbage">4</a><a href="/hostile/reset">5</a><a href="/hostile/location">6</a>`)
		}
	}
	return b.String()
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.active[r.Host]++
	s.most[r.Host] = max(s.most[r.Host], s.active[r.Host])
	s.agents[r.UserAgent()]++
	s.mu.Unlock()
	left := false
	leave := func() { // before the last byte goes out, for the client may be faster than the handler
		if !left {
			left = true
			s.mu.Lock()
			s.active[r.Host]--
			s.mu.Unlock()
		}
	}
	defer leave()
	parts := strings.Split(r.URL.Path[1:], "/")
	if parts[0] == "p" && len(parts) == 2 {
		n, err := strconv.Atoi(parts[1])
		if err == nil && n < s.pages && s.host(n) == r.Host {
			s.servePage(w, n, leave)
			return
		}
	}
	s.mu.Lock()
	s.other[parts[0]]++
	s.mu.Unlock()
	s.serveOther(w, r, parts, leave)
}

func (s *site) servePage(w http.ResponseWriter, n int, leave func()) {
	s.mu.Lock()
	s.tries[n]++
	first := s.tries[n] == 1
	s.mu.Unlock()
	status := http.StatusOK
	switch {
	case s.fails(n), s.flaky(n) && first:
		status = http.StatusInternalServerError
	case s.busy(n) && first:
		w.Header().Set("Retry-After", "1")
		status = http.StatusTooManyRequests
	case s.slow(n):
		hold(20 * time.Millisecond)
	}
	if status != http.StatusOK {
		leave()
		http.Error(w, "no", status)
		return
	}
	text := s.page(n)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	leave()
	if _, err := io.WriteString(w, text); err != nil {
		return
	}
	s.mu.Lock()
	s.whole[n]++
	if s.served++; s.notified != nil && s.served >= s.target {
		close(s.notified)
		s.notified = nil
	}
	s.mu.Unlock()
}

// hold takes its time, as a slow server does.
func hold(d time.Duration) { <-time.After(d) }

// count returns how many pages were served.
func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// after returns a channel that is closed when so many more pages were served.
func (s *site) after(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notified = make(chan struct{})
	s.target = s.served + n
	return s.notified
}

func (s *site) serveOther(w http.ResponseWriter, r *http.Request, parts []string, leave func()) {
	last := parts[len(parts)-1]
	n, _ := strconv.Atoi(last)
	html := func(text string, args ...any) {
		w.Header().Set("Content-Type", "text/html")
		leave()
		fmt.Fprintf(w, text, args...)
	}
	switch parts[0] {
	case "robots.txt":
		leave()
		io.WriteString(w, "User-agent: *\nDisallow: /private/\n")
	case "r":
		leave()
		http.Redirect(w, r, s.url(n), http.StatusFound)
	case "trap":
		html(`<a href="%s/x">deeper</a>`, r.URL.Path)
	case "loop":
		to := "/loop/b"
		if last == "b" {
			to = "/loop/a"
		}
		leave()
		http.Redirect(w, r, to, http.StatusMovedPermanently)
	case "chain":
		leave()
		http.Redirect(w, r, fmt.Sprintf("/chain/%d", n+1), http.StatusSeeOther)
	case "calendar":
		year, _ := strconv.Atoi(parts[1])
		month := n%12 + 1
		if month == 1 {
			year++
		}
		if s.hostile || year < 2002 { // it never ends
			html(`<a href="/calendar/%04d/%02d">next month</a>`, year, month)
			return
		}
		html("the last month")
	case "quiet":
		html(`<meta name="robots" content="nofollow"><a href="/nofollow/meta">n</a>`)
	case "hostile":
		leave() // the client ends these, and the handler learns of it later
		s.serveHostile(w, last)
	default:
		leave()
		http.NotFound(w, r)
	}
}

// serveHostile answers as no server should.
func (s *site) serveHostile(w http.ResponseWriter, how string) {
	switch how {
	case "endless":
		w.Header().Set("Content-Type", "text/html")
		block := strings.Repeat("<p>", 10_000)
		for {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	case "bomb":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for range 1 << 8 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	switch how {
	case "header":
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 1000)); err != nil {
				return
			}
		}
	case "garbage":
		io.WriteString(c, "\x1b[2J\x1b]0;gotcha\a\x00\xff not http")
	case "location":
		io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /\x1b[2Jhostile/\x00../../../../etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
}
