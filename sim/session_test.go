package sim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// lostUpdate is a world in which two clients read a number, wait, and write it back
// increased: it fails where they overlap.
func lostUpdate(w *sim.World) {
	number, done := 0, 0
	for _, name := range []string{"one", "other"} {
		w.Host(name).Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Duration(w.Pick(200))*time.Millisecond); err != nil {
				return err
			}
			seen := number
			if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
			number = seen + 1
			if done++; done == 2 && number != 2 {
				return errors.New("an update is lost")
			}
			return nil
		})
	}
}

// TestChildLosesAnUpdate is run by TestAFailingTestSaysHowToRunItAgain.
func TestChildLosesAnUpdate(t *testing.T) {
	if os.Getenv("SIM_TEST_CHILD") == "" {
		t.Skip("it fails, for another test")
	}
	sim.Test(t, lostUpdate)
}

// child runs a test of this package in another process, in a directory.
func child(t *testing.T, dir string, env []string, args ...string) (output string, ok bool) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Dir = dir
	c.Env = append(append(os.Environ(), "SIM_TEST_CHILD=1"), env...)
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

func TestAFailingTestSaysHowToRunItAgain(t *testing.T) {
	dir := t.TempDir()
	out, ok := child(t, dir, nil, "-test.run=^TestChildLosesAnUpdate$")
	command := regexp.MustCompile(`go test -run '(\S+)' -sim\.seed=(\d+)\nor, with the (\d+) choices that are left of it,\n\s+go test -run '\S+' -sim\.tape=(\S+)`)
	out = strings.ReplaceAll(out, "\n        ", "\n")
	m := command.FindStringSubmatch(out)
	if ok || m == nil {
		t.Fatalf("passed: %v\n%s", ok, out)
	}
	trace := regexp.MustCompile(`(?s)an update is lost\n\n(.*)\nTo run it again`)
	want := trace.FindString(out)
	if m[3] != "0" && m[3] != "1" || !strings.Contains(want, "turn") {
		t.Errorf("%s choices are left, the trace is %q", m[3], want)
	}
	out, ok = child(t, dir, nil, "-test.run="+m[1], "-sim.seed="+m[2])
	if again := trace.FindString(strings.ReplaceAll(out, "\n        ", "\n")); ok || !strings.HasPrefix(again, want[:len(want)-len("To run it again")]) {
		t.Errorf("with its seed it passed: %v; %s", ok, out)
	}
	out, ok = child(t, dir, []string{"ASYNCIO_SIM_TAPE=" + m[4]}, "-test.run="+m[1])
	if again := trace.FindString(strings.ReplaceAll(out, "\n        ", "\n")); ok || !strings.HasPrefix(again, want[:len(want)-len("To run it again")]) {
		t.Errorf("with its tape it passed: %v; %s", ok, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte("no tape"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"-sim.tape=broken", "-sim.tape=missing", "-sim.seed=x"} {
		if out, ok := child(t, dir, nil, "-test.run="+m[1], flag); ok || !strings.Contains(out, "sim: -sim.") {
			t.Errorf("with %s it passed: %v; %s", flag, ok, out)
		}
	}
}

// TestChildIsTheSameEverywhere prints what has come of some worlds.
func TestChildIsTheSameEverywhere(t *testing.T) {
	if os.Getenv("SIM_TEST_CHILD") == "" {
		t.Skip("it is run by another test")
	}
	for seed := range uint64(20) {
		r := sim.Run(func(w *sim.World) {
			w.Links(sim.Loss(0.1))
			server, client := w.Host("server"), w.Host("client")
			server.Serve(echo)
			client.Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
				return ask(ctx, "server:7", make([]byte, 10_000))
			})
		}, sim.Seed(seed), sim.Seeds(1))
		fmt.Printf("%x %v\n", r.Hash, r.Err)
	}
}

func TestWorldsAreTheSameInAnyProcess(t *testing.T) {
	run := func(procs string) string {
		out, ok := child(t, t.TempDir(), []string{"GOMAXPROCS=" + procs}, "-test.run=^TestChildIsTheSameEverywhere$")
		if !ok || strings.Count(out, "<nil>") != 20 {
			t.Fatal(out)
		}
		return strings.Join(regexp.MustCompile("[0-9a-f]+ <nil>").FindAllString(out, -1), "\n")
	}
	if one, other := run("1"), run("2"); one != other {
		t.Errorf("on one processor %s, on two %s", one, other)
	}
}

func TestAWorldThatDependsOnTheRealOneIsFound(t *testing.T) {
	runs := 0
	r := sim.Run(func(w *sim.World) {
		runs++
		w.Host("h").Go(func(ctx context.Context) error {
			w.Note("first")
			w.Note("run %d", runs)
			return nil
		})
	})
	if text := fmt.Sprint(r.Err); !errors.Is(r.Err, sim.ErrDiverged) || !strings.Contains(text, "run 4") || !strings.Contains(text, "run 5") || strings.Count(text, "session_test.go") != 2 {
		t.Errorf("it gave %v", r.Err)
	}
}

func TestWhatIsMadeOnceIsNoDivergence(t *testing.T) {
	runs := 0
	r := sim.Run(func(w *sim.World) {
		runs++
		w.Host("h").Go(func(ctx context.Context) error {
			w.Note("made %v", runs == 1)
			return nil
		})
	})
	if r.Err != nil || r.Worlds != 100 {
		t.Errorf("%d worlds, %v", r.Worlds, r.Err)
	}
}

func TestAFailureIsMadeSmaller(t *testing.T) {
	r := sim.Run(func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			sum, large := 0, 0
			for range 100 {
				n := w.Pick(100)
				if sum += n; n >= 50 {
					large++
				}
			}
			if large >= 3 {
				return errors.New("three are large")
			}
			return nil
		})
	})
	if r.Err == nil || r.Choices != 3 {
		t.Errorf("%v, %d choices are left", r.Err, r.Choices)
	}
}

func TestTheEndOfAGoroutineFailsItsWorld(t *testing.T) {
	var gone *asyncio.Loop
	r := sim.Run(func(w *sim.World) {
		h := w.Host("h")
		gone = h.Loop()
		h.Go(func(context.Context) error {
			new(testing.T).SkipNow() // as FailNow does, without a failure
			return nil
		})
	}, sim.ShrinkRuns(0))
	if !errors.Is(r.Err, sim.ErrGoexit) || !gone.IsClosed() {
		t.Errorf("it gave %v; its loop is closed: %v", r.Err, gone.IsClosed())
	}
}

func TestTimeSleepOnALoopIsFound(t *testing.T) {
	if os.Getenv("SIM_TEST_CHILD") != "" {
		sim.Test(t, func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				<-time.After(time.Second)
				return asyncio.Sleep(ctx, time.Second)
			})
		}, sim.ShrinkRuns(0))
		return
	}
	out, ok := child(t, t.TempDir(), nil, "-test.run=^TestTimeSleepOnALoopIsFound$")
	if ok || !strings.Contains(out, "a loop was blocked for 1s") {
		t.Error(out)
	}
}

// FuzzSlot fuzzes a pool. With SIM_TEST_CHILD set it is the one that loses a slot,
// which go test -fuzz finds in some seconds.
func FuzzSlot(f *testing.F) {
	mended := os.Getenv("SIM_TEST_CHILD") == ""
	sim.Fuzz(f, func(w *sim.World) { slotLost(w, mended) })
}
