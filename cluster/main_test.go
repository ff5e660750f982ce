package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

// workerURL makes this program a worker of the cluster there.
const workerURL = "CLUSTER_TEST_WORKER"

func TestMain(m *testing.M) {
	if url := os.Getenv(workerURL); url != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := cluster.Serve(ctx, url, cluster.WithConcurrency(2), cluster.WithGrace(5*time.Second)); err != nil {
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

// startServer starts a NATS server in this process.
func startServer(t testing.TB, change ...func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		Host: addresstest.Host(), Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}
	for _, c := range change {
		c(opts)
	}
	s, err := server.NewServer(opts)
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

// serve runs a worker in this process, and returns what stops it and waits.
func serve(t testing.TB, url string, opts ...cluster.ServeOption) (leave func() error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cluster.Serve(ctx, url, opts...) }()
	var err error
	left := false
	leave = func() error {
		if !left {
			left = true
			stop()
			err = <-ended
		}
		return err
	}
	t.Cleanup(func() { _ = leave() })
	return leave
}

// workerProcess starts this program as a worker.
type workerProcess struct {
	*exec.Cmd
	lines *bufio.Scanner // what it prints
}

func startWorker(t testing.TB, url string, env ...string) *workerProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &workerProcess{Cmd: exec.Command(self)}
	w.Env = append(append(os.Environ(), workerURL+"="+url), env...)
	w.Stderr = os.Stderr
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(out)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.ProcessState == nil {
			_ = w.Process.Kill()
			_ = w.Wait()
		}
	})
	return w
}

// die kills the process and waits for its end.
func (w *workerProcess) die() {
	_ = w.Process.Kill()
	_ = w.Wait()
}

// says waits for a line that begins so.
func (w *workerProcess) says(t testing.TB, beginning string) string {
	t.Helper()
	for w.lines.Scan() {
		if line := w.lines.Text(); strings.HasPrefix(line, beginning) {
			return line
		}
	}
	t.Fatalf("the worker never said %q: %v", beginning, w.lines.Err())
	return ""
}

// onLoop runs a client of the cluster.
func onLoop(t testing.TB, url string, body func(ctx context.Context, c *cluster.Client), opts ...cluster.ConnectOption) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := asyncio.Run(limit, func(ctx context.Context) error {
		c, err := cluster.Connect(ctx, url, opts...)
		if err != nil {
			return err
		}
		body(ctx, c)
		return c.Close(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// quiet is for tests in which connections are lost.
var quiet = cluster.WithLogger(nil)

// queued counts the jobs in the cluster.
func queued(ctx context.Context, c *cluster.Client) (uint64, error) {
	s, err := c.Stats(ctx)
	return s.Jobs, err
}
