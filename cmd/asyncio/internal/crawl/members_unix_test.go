//go:build unix

package crawl_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/warc"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

// startNATS starts a NATS server in this process, on a free port.
func startNATS(t testing.TB) *server.Server { return startNATSAt(t, server.RANDOM_PORT) }

func startNATSAt(t testing.TB, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: addresstest.Host(), Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not get ready")
	}
	return s
}

// startMember starts a member as a process of its own.
func startMember(t testing.TB, s *server.Server, args ...string) *exec.Cmd {
	t.Helper()
	c, _ := program(t, append([]string{"member", "--join", s.ClientURL(), "--allow-private", "-s", "--parallel-max", "20"}, args...)...)
	t.Cleanup(func() {
		if c.ProcessState == nil {
			kill(c)
		}
	})
	return c
}

// kill ends a process with -9, and waits until it is gone.
func kill(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}

// TestACrawlWithMembersLosesNothing kills one process of a crawl after another, the
// owner too, and stops one of them for some time.
func TestACrawlWithMembersLosesNothing(t *testing.T) {
	t.Parallel()
	pages, hosts, kills, step, every := 1000, 20, 4, 150, time.Duration(0)
	if *crawl.Full {
		pages, hosts, kills, step, every = 20_000, 200, 30, 0, 2*time.Second
	}
	nats := startNATS(t)
	s := newSite(t, pages, hosts, false)
	dir, state := t.TempDir(), t.TempDir()
	args := []string{s.root(), "-P", dir, "--state", state, "--wait", "0", "--allow-private", "-D", "test", "-l", "0", "--resolve", "*:" + s.port + ":127.0.0.1", "-s", "--parallel-max-address", "0", "--join", nats.ClientURL()}
	members := []*exec.Cmd{startMember(t, nats), startMember(t, nats), startMember(t, nats)}
	stopped := startMember(t, nats)

	var owner *exec.Cmd
	var out *bytes.Buffer
	over := make(chan error, 1)
	begin := func() {
		c, b := program(t, args...)
		owner, out = c, b
		go func() { over <- c.Wait() }()
	}
	begin()
	args = append(args, "--resume")
	done, ownersKilled, running := 0, 0, true
	var ended error
loop:
	for n := 0; n < kills; n++ {
		reached := s.after(step)
		var pause <-chan time.Time
		if every > 0 {
			pause, reached = time.After(every), nil
		}
		select {
		case ended = <-over:
			if !*crawl.Full {
				t.Fatalf("the crawl was over after %d kills: %v, %s", n, ended, out)
			}
			running = false
			break loop
		case <-reached:
		case <-pause:
		}
		switch {
		case n == 0:
			if err := stopped.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		case n%4 == 3:
			_ = owner.Process.Kill()
			<-over
			begin()
			ownersKilled++
		default:
			kill(members[n%3])
			members[n%3] = startMember(t, nats)
		}
		done++
		if n == kills/2 {
			if err := stopped.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		}
	}
	if running {
		ended = <-over
	}
	if ended != nil || out.Len() > 0 {
		t.Fatalf("%v: %s", ended, out)
	}
	t.Logf("%d processes were killed or stopped, %d of them owners; %d pages were served", done, ownersKilled, s.count())
	checkSite(t, s, dir, crawl.DefaultParallelHost, done*crawl.DefaultParallel+ownersKilled*128)
	status, err := crawl.ReadStatus(state)
	if err != nil || status.Pending != 0 || status.Saved < pages*9/10 {
		t.Errorf("%+v, %v", status, err)
	}
}

// A server of NATS that ends takes messages along: what was under way is asked for, or
// given up.
func TestACrawlOutlivesItsNATSServer(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	s := newSite(t, 1000, 20, false)
	startMember(t, nats)
	startMember(t, nats)
	dir := t.TempDir()
	reached := s.after(300)
	c, out := program(t, s.root(), "-P", dir, "--wait", "0", "--allow-private", "-D", "test", "-l", "0", "--resolve", "*:"+s.port+":127.0.0.1", "-s", "--parallel-max-address", "0", "--join", nats.ClientURL())
	<-reached
	port := nats.Addr().(*net.TCPAddr).Port
	nats.Shutdown()
	nats.WaitForShutdown()
	startNATSAt(t, port)
	if err := c.Wait(); err != nil || out.Len() > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	checkSite(t, s, dir, crawl.DefaultParallelHost, crawl.DefaultParallel)
}

// TestMembersFetchAsThisProcessDoes compares what a crawl prints and archives with
// what it does when a member makes the fetches: also of errors, of bodies that are too
// large for a message or for the crawl, and of addresses that are not allowed.
func TestMembersFetchAsThisProcessDoes(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	startMember(t, nats)
	w := newWeb(t, map[string]string{
		"a.test/":      `<a href="/large">l</a><a href="/huge">h</a><a href="/gone">g</a><a href="/moved">m</a><a href="/img.png">i</a>`,
		"a.test/large": "text/plain|" + strings.Repeat("0123456789", 300_000),
		"a.test/huge":  "text/plain|" + strings.Repeat("0123456789", 500_000),
		"a.test/moved": "->/", "a.test/busy": "503", "a.test/img.png": "image/png|not really",
	})
	crawlIt := func(more ...string) (lines []string, records map[string]string) {
		t.Helper()
		dir := t.TempDir()
		args := append([]string{"http://a.test:" + w.port + "/", "http://127.0.0.1:1/refused", "http://a.test:" + w.port + "/busy", "-P", dir, "--warc-file", filepath.Join(dir, "w"), "--ndjson", "-s",
			"-w", "0", "--allow-private", "--no-robots", "--tries", "1", "--max-filesize", "4M", "-H", "X-Test: 1", "-u", "me:pw", "--resolve", "a.test:" + w.port + ":127.0.0.1"}, more...)
		c, out := program(t, args...)
		if err := c.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for line := range strings.Lines(out.String()) {
			var o map[string]any
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err, line)
			}
			for name := range o {
				if strings.HasPrefix(name, "time_") || strings.HasPrefix(name, "speed_") || strings.HasPrefix(name, "local_") || strings.HasPrefix(name, "num_connects") || strings.HasPrefix(name, "filename") || name == "urlnum" {
					delete(o, name)
				}
			}
			if o["exitcode"] == 63.0 { // how much had come by then is chance
				delete(o, "size_download")
			}
			b, _ := json.Marshal(o)
			lines = append(lines, string(b))
		}
		slices.Sort(lines)
		return lines, archived(t, dir)
	}
	want, wantRecords := crawlIt()
	got, gotRecords := crawlIt("--join", nats.ClientURL())
	if !slices.Equal(got, want) || len(want) != 8 {
		t.Errorf("here:\n%s\nby a member:\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	if !maps.Equal(gotRecords, wantRecords) || len(wantRecords) < 6 {
		t.Errorf("%d records, here %d", len(gotRecords), len(wantRecords))
	}
}

// archived returns requests and responses that are in the WARC files of a directory.
func archived(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "w-*.warc.gz"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	all := map[string]string{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := warc.NewReader(f)
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if kind := rec.Get("WARC-Type"); (kind == "request" || kind == "response") && !strings.HasSuffix(rec.Get("WARC-Target-URI"), "/huge") {
				all[kind+" "+rec.Get("WARC-Target-URI")] = dates.ReplaceAllString(string(rec.Block), "")
			}
		}
	}
	return all
}

var dates = regexp.MustCompile(`Date: [^\r]*\r\n`)

// A member that does not allow private addresses does not fetch them, whatever the
// owner allows.
func TestAMemberDecidesAboutItsOwnNetwork(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	member, _ := program(t, "member", "--join", nats.ClientURL(), "-s")
	defer kill(member)
	c, out := program(t, "http://127.0.0.1:1/", "-P", "", "--allow-private", "--no-robots", "--ndjson", "-s", "--join", nats.ClientURL())
	if err := c.Wait(); err != nil || !strings.Contains(out.String(), "is a loopback address") || !strings.Contains(out.String(), `"num_retries":0`) {
		t.Errorf("%v, %s", err, out)
	}
}

// TestStatusOfWhatRuns asks a crawl and its members how far they are.
func TestStatusOfWhatRuns(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	s := newSite(t, 2000, 5, false)
	member := startMember(t, nats)
	reached := s.after(5)
	owner, _ := program(t, s.root(), "-P", "", "--allow-private", "-D", "test", "--resolve", "*:"+s.port+":127.0.0.1", "-s", "--join", nats.ClientURL())
	defer kill(owner)
	<-reached
	status, out := program(t, "status", "--join", nats.ClientURL())
	if err := status.Wait(); err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{s.root(), strconv.Itoa(owner.Process.Pid), strconv.Itoa(member.Process.Pid), "PAGES/S"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
	// A member that leaves ends what it has begun, and says so.
	if err := member.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := member.Wait(); err != nil {
		t.Error(err)
	}
}

// A crawl that is interrupted has its members end what they do for it.
func TestAnInterruptedCrawlEndsWhatMembersDo(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	startMember(t, nats)
	asked, gone := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}))
	defer s.Close()
	owner, out := program(t, s.URL, "-P", "", "--allow-private", "--no-robots", "--join", nats.ClientURL())
	<-asked
	if err := owner.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-gone
	_ = owner.Wait()
	if code := owner.ProcessState.ExitCode(); code != 130 || !strings.Contains(out.String(), "1 left to do") {
		t.Errorf("it ended with %d: %s", code, out)
	}
}
