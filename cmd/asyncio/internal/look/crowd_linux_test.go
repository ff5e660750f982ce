package look

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// resident returns how many kilobytes of a process are in memory.
func resident(t *testing.T, pid string) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(line, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// allCommands runs each command that looks at all tasks once.
func allCommands(t *testing.T, ctx context.Context, pid string) {
	t.Helper()
	for command, fn := range map[string]func(s *Screen) error{
		"ps":     func(s *Screen) error { return PS(ctx, s, pid, Options{}) },
		"pstree": func(s *Screen) error { return PSTree(ctx, s, pid, Options{}, false) },
		"where":  func(s *Screen) error { return Where(ctx, s, pid, Options{}) },
		"graph":  func(s *Screen) error { return Graph(ctx, s, io.Discard, pid, Options{}, false) },
		"dump":   func(s *Screen) error { return Dump(ctx, s, pid, false) },
		"top":    func(s *Screen) error { return Top(ctx, s, strings.NewReader(""), pid, Options{}) },
	} {
		if err := fn(&Screen{Width: 80, Height: 24, Out: io.Discard}); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// collects rests, and runs the collector when it gets a signal.
func collects(ctx context.Context, ready func()) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGUSR1)
	go func() {
		for range asked {
			runtime.GC()
		}
	}()
	return rests(ctx, ready)
}

func init() { programs["collects"] = collects }

func TestAProcessThatWasLookedAtTakesLittleMoreMemory(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "collects", beside(max(*crowd, 10_000)))
	before := resident(t, pid)
	for range 3 {
		allCommands(t, t.Context(), pid)
	}
	after := resident(t, pid)
	t.Logf("%d MB before, %d after", before>>10, after>>10)
	if *crowd >= 100_000 { // to measure, by hand
		p, _ := strconv.Atoi(pid)
		if err := unix.Kill(p, unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		t.Logf("%d MB soon after a collection", resident(t, pid)>>10)
	}
	if after > before*7/4+8<<10 {
		t.Errorf("it takes %d kB, before it was looked at %d", after, before)
	}
}

// waited returns how long the threads of a process have waited for a processor, all
// together: what others on this machine have taken of its time.
func waited(t *testing.T, pid string) (sum time.Duration) {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		t.Skip("the system does not tell how long threads have waited: ", err)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var ran, waited time.Duration // nanoseconds
		if _, err := fmt.Sscan(string(text), &ran, &waited); err != nil {
			t.Fatal(err)
		}
		sum += waited
	}
	return sum
}

func TestALookAtManyTasksHoldsTheLoopForLessThanAMillisecondAtATime(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "rests", beside(max(*crowd, 20_000)))
	tg, err := find(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	looks := 15
	if *crowd >= 100_000 {
		looks = 30
	}
	var held, others, own []time.Duration
	for range looks {
		before := waited(t, pid)
		var w insightwire.Where
		if err := tg.get(t.Context(), &w, "/v1/where"); err != nil {
			t.Fatal(err)
		}
		d := waited(t, pid) - before
		held, others = append(held, w.Loops[0].Held), append(others, d)
		// A loop whose thread waits for a processor is held by others.
		own = append(own, max(0, w.Loops[0].Held-d))
	}
	t.Logf("each look's longest hold: %v", held)
	t.Logf("its threads waited for a processor: %v", others)
	slices.Sort(held)
	slices.Sort(own)
	below, _ := slices.BinarySearch(held, time.Millisecond)
	t.Logf("holds: least %v, median %v, most %v, %d of %d below 1 ms", held[0], held[looks/2], held[looks-1], below, looks)
	// The collector pauses the loop by itself.
	if typical := own[looks/3]; typical >= time.Millisecond {
		t.Errorf("it held the loop for %v; %v", typical, own)
	}
}
