package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

var process = asyncio.RegisterWorker("process", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

var fail = asyncio.RegisterWorker("fail", func(context.Context, struct{}) (struct{}, error) {
	return struct{}{}, errors.New("not\x1b[31mtoday")
})

// This program is the worker program of its nodes.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "work" {
		if err := cluster.Serve(context.Background(), "", cluster.WithConcurrency(2)); err != nil {
			log.Fatal(err)
		}
		return
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// output is what a node prints, and lets tests wait for it.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{}
}

func newOutput() *output { return &output{grown: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grown <- struct{}{}:
	default:
	}
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// running is a node that this test has started.
type running struct {
	t    *testing.T
	out  *output
	stop func() int
	from int // what wait has seen
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, out: newOutput()}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, r.out, r.out) }()
	code := -1
	r.stop = sync.OnceValue(func() int {
		cancel()
		code = <-ended
		return code
	})
	t.Cleanup(func() { r.stop() })
	return r
}

// wait waits until the node has printed what matches, and returns the groups.
func (r *running) wait(pattern string) []string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(30 * time.Second)
	for {
		text := r.out.String()
		if at := re.FindStringSubmatchIndex(text[r.from:]); at != nil {
			found := re.FindStringSubmatch(text[r.from:])
			r.from += at[1]
			return found
		}
		select {
		case <-r.out.grown:
		case <-limit:
			r.t.Fatalf("it never printed %s, but:\n%s", pattern, text)
		}
	}
}

// self is this program, which with the argument work is a worker.
func self(t *testing.T) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func asClient(t *testing.T, url string, body func(ctx context.Context, c *cluster.Client), opts ...cluster.ConnectOption) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := asyncio.Run(limit, func(ctx context.Context) error {
		c, err := cluster.Connect(ctx, url, opts...)
		if err != nil {
			return err
		}
		body(ctx, c)
		return c.Close(ctx)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestANodeKeepsItsWorkersRunning(t *testing.T) {
	t.Parallel()
	n := start(t, "--listen", "127.0.0.1:0", "--workers", "1", "--status-every", "50ms", "--", self(t), "work")
	url := n.wait(`serving at (\S+), store memory`)[1]
	pid, _ := strconv.Atoi(n.wait(`worker 1 is process (\d+)`)[1])
	asClient(t, url, func(ctx context.Context, c *cluster.Client) {
		if got, err := cluster.Call(ctx, c, process, struct{}{}); err != nil || got != pid {
			t.Errorf("a job ran in process %d, %v", got, err)
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		again, err := cluster.Call(ctx, c, process, struct{}{})
		if err != nil || again == pid {
			t.Errorf("a job ran in process %d, %v", again, err)
		}
	})
	n.wait(`worker 1 has ended: .*; it is started again in 100ms`)
	n.wait(`0 jobs in the cluster, 1 workers with 0 of 2 places in use, \d+ jobs done, 0 calls failed, 0 dead letters`)
	if code := n.stop(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, n.out)
	}
	if text := n.out.String(); !strings.Contains(text, "is left") || strings.Contains(text, "it is killed") {
		t.Errorf("the worker did not leave by itself:\n%s", text)
	}
}

func TestANodeJoinsAnother(t *testing.T) {
	t.Parallel()
	first := start(t, "--listen", "127.0.0.1:0", "--token", "secret")
	url := first.wait(`serving at (\S+),`)[1]
	second := start(t, "--join", url, "--token", "secret", "--workers", "2", "--", self(t), "work")
	second.wait(`worker 2 is process \d+`)
	asClient(t, url, func(ctx context.Context, c *cluster.Client) {
		if _, err := cluster.Call(ctx, c, process, struct{}{}); err != nil {
			t.Error(err)
		}
		_, err := cluster.Call(ctx, c, fail, struct{}{}, cluster.WithKey("a key"))
		if err == nil {
			t.Error("no error")
		}
		for there := 0; there < 2; { // the other worker may take its time
			all, err := c.Workers(ctx)
			if err == nil {
				there = len(all)
				err = asyncio.Sleep(ctx, 5*time.Millisecond)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}, cluster.WithNATS(nats.Token("secret")))

	out := command(t, exitOK, "status", "--join", url, "--token", "secret")
	if !regexp.MustCompile(`(?s)^0 jobs in the cluster, 2 workers.*, 1 dead letters\nHOST +PROCESS.*working.*working`).MatchString(out) {
		t.Error(out)
	}
	var s state
	if err := json.Unmarshal([]byte(command(t, exitOK, "status", "--json", "--join", url, "--token", "secret")), &s); err != nil || len(s.Workers) != 2 || s.DeadLetters != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	dead := command(t, exitOK, "dead", "--join", url, "--token", "secret")
	if !regexp.MustCompile("^1\t\\S+\tfail\ta key\tcluster: job fail: not\uFFFD\\[31mtoday\n$").MatchString(dead) {
		t.Errorf("%q", dead)
	}
	command(t, exitOK, "dead", "drop", "1", "--join", url, "--token", "secret")
	if dead := command(t, exitOK, "dead", "--join", url, "--token", "secret"); dead != "" {
		t.Errorf("%q", dead)
	}
	if out := command(t, exitFailed, "status", "--join", url); !strings.Contains(out, "Authorization") {
		t.Errorf("without a token: %q", out)
	}
}

// command runs a command to its end and returns what it has printed.
func command(t *testing.T, code int, args ...string) string {
	t.Helper()
	out := newOutput()
	if got := run(t.Context(), args, out, out); got != code {
		t.Errorf("%v: exit code %d:\n%s", args, got, out)
	}
	return out.String()
}

func TestTLSAndFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, cert, key := certificates(t, dir)
	args := []string{"--listen", "127.0.0.1:0", "--workers", "1", "--token", "secret", "--store", "file", "--dir", filepath.Join(dir, "store"),
		"--tls-cert", cert, "--tls-key", key, "--tls-ca", ca, "--", self(t), "work"}
	for range 2 { // the second time the result is on the disk
		n := start(t, args...)
		url := n.wait(`serving at (tls://\S+), store file`)[1]
		asClient(t, url, func(ctx context.Context, c *cluster.Client) {
			pid, err := cluster.Call(ctx, c, process, struct{}{}, cluster.WithKey("once"))
			if err != nil {
				t.Error(err)
			}
			file := filepath.Join(dir, "pid")
			if before, err := os.ReadFile(file); err == nil && string(before) != strconv.Itoa(pid) {
				t.Errorf("the key's result was %s and is %d", before, pid)
			}
			if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, cluster.WithNATS(nats.Token("secret"), nats.RootCAs(ca)))
		if code := n.stop(); code != exitOK {
			t.Errorf("exit code %d:\n%s", code, n.out)
		}
	}
}

// Three servers keep each job; one of them ends.
func TestNodesAreMembersOfANATSCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three servers need some seconds to find each other")
	}
	addresses := addresstest.Free(t, 3)
	routes := "nats://" + strings.Join(addresses, ",nats://")
	var all []*running
	var urls []string
	for i := range 3 {
		args := []string{"--listen", "127.0.0.1:0", "--token", "secret", "--replicas", "3", "--server-name", fmt.Sprint("s", i),
			"--cluster", "test", "--cluster-listen", addresses[i], "--routes", routes, "--workers", "1"}
		if i == 2 {
			args = append(args, "--", self(t), "work")
		}
		all = append(all, start(t, args...))
	}
	for _, n := range all { // they get ready together
		urls = append(urls, n.wait(`serving at (\S+),`)[1])
	}
	all[2].wait(`worker \d+ on \S+ is working`)
	asClient(t, strings.Join(urls[1:], ","), func(ctx context.Context, c *cluster.Client) {
		for i := range 20 {
			if _, err := cluster.Call(ctx, c, process, struct{}{}, cluster.WithKey(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
			if i == 10 {
				if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return all[0].stop(), nil }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}, cluster.WithReplicas(3), cluster.WithNATS(nats.Token("secret")), cluster.WithLogger(nil))
}

func TestBadOptionsAreAnsweredClearly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--store", "x"}, "--store x: it is memory or file"},
		{[]string{"--store", "file"}, "needs --dir"},
		{[]string{"--listen", "0.0.0.0:4222"}, "give --token"},
		{[]string{"--listen", "4222"}, "missing port"},
		{[]string{"--listen", "127.0.0.1:x"}, "0 to 65535"},
		{[]string{"--workers", "-1"}, "fewer than none"},
		{[]string{"--replicas", "9"}, "1 to 5"},
		{[]string{"--queue-limit", "0"}, "no job could be submitted"},
		{[]string{"--join", "nats://x"}, "give a program"},
		{[]string{"--join", "nats://x", "--store", "memory", "--", "true"}, "--store is for a server of one's own"},
		{[]string{"--creds", "x"}, "--server-config"},
		{[]string{"--tls-cert", "x"}, "belong together"},
		{[]string{"--tls-verify"}, "needs --tls-cert"},
		{[]string{"--cluster", "c"}, "belong together"},
		{[]string{"--cluster", "c", "--cluster-listen", "127.0.0.1:0"}, "--server-name"},
		{[]string{"--routes", "nats://x:1"}, "needs --cluster"},
		{[]string{"--", "./nonesuch"}, "nonesuch"},
		{[]string{"start"}, "there is no command"},
		{[]string{"--nonesuch"}, "unknown flag"},
		{[]string{"status", "now"}, "takes no argument"},
		{[]string{"dead", "retry"}, "Give their numbers"},
		{[]string{"dead", "drop", "all", "1"}, "not the number"},
	} {
		if out := command(t, exitUsage, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("%v: %q", c.args, out)
		}
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	n := start(t, "--listen", "127.0.0.1:0")
	at := strings.TrimPrefix(n.wait(`serving at (\S+),`)[1], "nats://")
	if out := command(t, exitFailed, "--listen", at); !strings.Contains(out, at) {
		t.Error(out)
	}
}
