package crawl_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// program starts "asyncio crawl" as a process of its own.
func program(t testing.TB, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, append([]string{"crawl"}, args...)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	var errs bytes.Buffer
	c.Stdout, c.Stderr = &errs, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, &errs
}

// inFlight is how many pages a run may have fetched without having saved them.
const inFlight = crawl.DefaultParallel + 128

// TestAKilledCrawlLosesNothing kills the program with -9 again and again, and
// resumes it each time.
func TestAKilledCrawlLosesNothing(t *testing.T) { killAndResume(t) }

// TestACrawlThatIsKilledWhileItCompactsLosesNothing does so with one that compacts its
// journal with each commit.
func TestACrawlThatIsKilledWhileItCompactsLosesNothing(t *testing.T) {
	t.Setenv(compacting, "1")
	killAndResume(t)
}

func killAndResume(t *testing.T) {
	pages, hosts, kills, step := 600, 20, 6, 60
	if *crawl.Full {
		pages, hosts, kills, step = 20_000, 200, 30, 500
	}
	s := newSite(t, pages, hosts, false)
	dir, state := t.TempDir(), t.TempDir()
	args := []string{s.root(), "-P", dir, "--state", state, "--wait", "0", "--allow-private", "-D", "test", "-l", "0", "--resolve", "*:" + s.port + ":127.0.0.1", "-s", "--parallel-max-address", "0"}
	for n := range kills {
		reached := s.after(step)
		c, out := program(t, args...)
		over := make(chan error, 1)
		go func() { over <- c.Wait() }()
		select {
		case <-reached:
			_ = c.Process.Kill()
			<-over
		case err := <-over:
			t.Fatalf("run %d ended by itself: %v, %s", n, err, out)
		}
		if n == 0 {
			args = append(args, "--resume")
		}
	}
	c, out := program(t, args...)
	if err := c.Wait(); err != nil || out.Len() > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	checkSite(t, s, dir, 2+kills*2, kills*inFlight) // what a killed one has asked for may still be under way
	got := s.count()
	c, out = program(t, args...)
	if err := c.Wait(); err != nil || s.count() != got {
		t.Errorf("a crawl that is over fetched %d pages: %v, %s", s.count()-got, err, out)
	}
}

// TestAResumedCrawlWithACutJournal cuts the journal of a crawl that is over at
// many places, as a loss of power may, and resumes it: what is saved is not
// fetched again.
func TestAResumedCrawlWithACutJournal(t *testing.T) {
	s := newSite(t, 200, 5, false)
	dir, state := t.TempDir(), t.TempDir()
	o := options(s, dir)
	o.State = state
	if got := run(t, t.Context(), o); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	checkSite(t, s, dir, o.ParallelHost, 0)
	served := s.count()
	name := filepath.Join(state, "journal")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	cuts := 12
	if *crawl.Full {
		cuts = 1000
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range cuts {
		at := rnd.IntN(len(whole) + 1)
		if err := os.WriteFile(name, whole[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		// A file that was being written, as a crash leaves it.
		if err := os.MkdirAll(filepath.Join(dir, ".asyncio-crawl"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".asyncio-crawl", "1"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(s, dir)
		o.State, o.Resume = state, true
		if got := run(t, t.Context(), o); got.code != 0 || !strings.Contains(got.out, " 0 left to do") {
			t.Fatalf("cut at %d: %+v", at, got)
		}
		if s.count() != served {
			t.Fatalf("cut at %d: %d pages were fetched again", at, s.count()-served)
		}
	}
	checkSite(t, s, dir, o.ParallelHost, cuts)
}

func TestTwoCrawlsCannotHaveOneState(t *testing.T) {
	s := newSite(t, 400, 5, false)
	state := t.TempDir()
	o := options(s, t.TempDir())
	o.State, o.Resume = state, false
	reached := s.after(20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan ran)
	go func() { first <- run(t, ctx, o) }()
	<-reached
	second := *o
	second.Resume, second.Directory = true, t.TempDir()
	if got := run(t, t.Context(), &second); got.code != fetch.WriteFailed || !strings.Contains(got.errs, "another process uses it") {
		t.Errorf("%+v", got)
	}
	status, err := crawl.ReadStatus(state)
	if err != nil || !status.Running || status.Saved+status.Pending == 0 {
		t.Errorf("%+v, %v", status, err)
	}
	cancel()
	if got := <-first; got.code != fetch.Interrupted || !strings.Contains(got.out, "Interrupted.") || !strings.Contains(got.out, "left to do") {
		t.Errorf("%+v", got)
	}
	before, err := crawl.ReadStatus(state)
	if err != nil || before.Running || before.Pending == 0 {
		t.Errorf("%+v, %v", before, err)
	}
	third := *o
	if got := run(t, t.Context(), &third); got.code == 0 || !strings.Contains(got.errs, "--resume goes on with it") {
		t.Errorf("%+v", got)
	}
	third.Resume, third.Roots = true, nil
	if got := run(t, t.Context(), &third); got.code != 0 {
		t.Errorf("%+v", got)
	}
	checkSite(t, s, o.Directory, o.ParallelHost+2, inFlight)
	after, err := crawl.ReadStatus(state)
	if err != nil || after.Pending != 0 || after.Saved <= before.Saved {
		t.Errorf("%+v, %v", after, err)
	}
	if _, err := crawl.ReadStatus(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
