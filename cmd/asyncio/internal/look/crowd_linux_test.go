package look

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestAProcessThatWasLookedAtTakesLittleMoreMemory(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "rests", beside(max(*crowd, 10_000)))
	before := resident(t, pid)
	for range 3 {
		allCommands(t, t.Context(), pid)
	}
	after := resident(t, pid)
	t.Logf("%d MB before, %d after", before>>10, after>>10)
	if after > before*7/4+8<<10 {
		t.Errorf("it takes %d kB, before it was looked at %d", after, before)
	}
}

func TestALookAtManyTasksHoldsTheLoopForLessThanAMillisecondAtATime(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "rests", beside(max(*crowd, 20_000)))
	tg, err := find(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	var held []time.Duration
	for range 15 {
		var w insightwire.Where
		if err := tg.get(t.Context(), &w, "/v1/where"); err != nil {
			t.Fatal(err)
		}
		held = append(held, w.Loops[0].Held)
	}
	slices.Sort(held)
	t.Logf("at the longest: %v", held)
	// Others use this machine too, and the collector pauses the loop by itself.
	if typical := held[len(held)/3]; typical >= time.Millisecond {
		t.Errorf("it held the loop for %v; %v", typical, held)
	}
}
