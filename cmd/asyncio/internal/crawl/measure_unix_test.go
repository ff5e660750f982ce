//go:build unix

package crawl_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

func cpu() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestMeasureTheFrontier prints what a URL costs with and without a journal, and
// how long it takes to go on with a crawl of that size.
func TestMeasureTheFrontier(t *testing.T) {
	if *crawl.Measure == 0 {
		t.Skip("-crawl.measure is not given")
	}
	g := &generator{pages: *crawl.Measure, hosts: 1000}
	once := func(what string, o *crawl.Options) {
		o.Roots, o.Domains, o.Parallel, o.ParallelHost, o.Tries, o.NoRobots, o.Silent = []string{g.url(0)}, []string{"example.com"}, 64, 2, 1, true, true
		g.fetched = 0
		runtime.GC()
		begun, used := time.Now(), cpu()
		var during runtime.MemStats
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			if code := crawl.RunWith(ctx, o, fetch.Streams{Stdout: os.Stdout, Stderr: os.Stderr}, g); code != 0 {
				return fmt.Errorf("code %d", code)
			}
			runtime.ReadMemStats(&during)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		n := max(g.fetched, 1)
		t.Logf("%-28s %8d fetched, %6.1f us CPU each, %v, heap %d MB (of the system %d MB)", what, g.fetched, float64((cpu()-used).Microseconds())/float64(n), time.Since(begun).Round(time.Millisecond), during.HeapAlloc>>20, during.Sys>>20)
	}
	once("in memory", &crawl.Options{})
	state := t.TempDir()
	once("journal", &crawl.Options{State: state})
	once("journal, fsync", &crawl.Options{State: t.TempDir(), Sync: true})
	info, err := os.Stat(filepath.Join(state, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the journal has %.1f bytes a URL", float64(info.Size())/float64(*crawl.Measure))
	once("resumed, all done", &crawl.Options{State: state, Resume: true})
	if info, err = os.Stat(filepath.Join(state, "journal")); err != nil {
		t.Fatal(err)
	}
	t.Logf("compacted, it has %.1f bytes a URL", float64(info.Size())/float64(*crawl.Measure))
}

// TestMeasureBesideWget2 prints what a page costs the program and wget2, as a
// process each, in one sitting.
func TestMeasureBesideWget2(t *testing.T) {
	if *crawl.Measure == 0 {
		t.Skip("-crawl.measure is not given")
	}
	wget2, err := exec.LookPath("wget2")
	if err != nil {
		t.Skip("wget2 is not here: ", err)
	}
	n := min(*crawl.Measure, 5000)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/p"), ".html"))
		if err != nil || k >= n {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		for c := 3*k + 1; c <= 3*k+3 && c < n; c++ {
			fmt.Fprintf(w, `<a href="/p%d.html">%d</a> some text to read, %s`, c, c, strings.Repeat("and more of it ", 100))
		}
	}))
	defer site.Close()
	show := func(what, dir string, c *exec.Cmd, began time.Time) {
		s := c.ProcessState
		saved := len(files(t, dir))
		t.Logf("%-20s %d files, %4.0f us CPU each, %.0f a second", what, saved, float64((s.UserTime()+s.SystemTime()).Microseconds())/float64(max(saved, 1)), float64(saved)/time.Since(began).Seconds())
	}
	for _, args := range [][]string{{}, {"--state", t.TempDir()}, {"--state", t.TempDir(), "--fsync"}} {
		dir, began := t.TempDir(), time.Now()
		c, out := program(t, append([]string{site.URL + "/p0.html", "-P", dir, "-l", "0", "-w", "0", "--allow-private", "--parallel-max-host", "8", "-s"}, args...)...)
		if err := c.Wait(); err != nil {
			t.Fatal(err, out)
		}
		show(fmt.Sprint("asyncio ", len(args)), dir, c, began)
	}
	dir, began := t.TempDir(), time.Now()
	c := exec.CommandContext(t.Context(), wget2, "-q", "-r", "-l", "inf", "--max-threads=8", "-P", dir, site.URL+"/p0.html")
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	show("wget2", dir, c, began)
}

// TestMeasureRemotePages prints what a page costs its owner when members fetch it, with
// all that the owner does for a page, and what it costs a process that fetches itself.
func TestMeasureRemotePages(t *testing.T) {
	if *crawl.Measure == 0 {
		t.Skip("-crawl.measure is not given")
	}
	n := min(*crawl.Measure, 20_000)
	g := &generator{pages: n, hosts: 50}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.Host = r.Host
		own := *g // handlers run at the same time
		resp, _ := own.Get(r.Context(), &fetch.Request{URL: &u})
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(append(resp.Body, strings.Repeat("and some text to read ", 80)...))
	}))
	defer site.Close()
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	nats := startNATS(t)
	args := []string{g.url(0), "-D", "example.com", "-P", "", "-l", "0", "-w", "0", "--no-robots", "--allow-private", "--parallel-max", "100", "--parallel-max-address", "0", "--max-filesize", "1M",
		"--proxy", "http://127.0.0.1:" + port} // which is asked for all hosts
	for range 2 {
		startMember(t, nats, "--parallel-max", "50")
	}
	for what, more := range map[string][]string{
		"itself": nil, "members": {"--join", nats.ClientURL()},
		"members, with a journal": {"--join", nats.ClientURL(), "--state", t.TempDir()},
	} {
		began := time.Now()
		c, out := program(t, append(slices.Clip(args), more...)...)
		if err := c.Wait(); err != nil || !strings.Contains(out.String(), fmt.Sprintf("%d requests", n)) {
			t.Fatal(err, out)
		}
		s := c.ProcessState
		t.Logf("%-24s %4.0f us CPU a page, %.0f pages a second", what, float64((s.UserTime()+s.SystemTime()).Microseconds())/float64(n), float64(n)/time.Since(began).Seconds())
	}
}
