package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// The one that is looked for may stand behind very many others.
func TestTheWatchdogFindsAGoroutineAmongVeryMany(t *testing.T) {
	end := make(chan struct{})
	ids := make(chan uint64)
	var all sync.WaitGroup
	var standing func(depth int)
	standing = func(depth int) {
		if depth > 0 {
			standing(depth - 1)
			return
		}
		var id uint64
		buf := make([]byte, 64)
		fmt.Sscanf(string(buf[:runtime.Stack(buf, false)]), "goroutine %d ", &id)
		ids <- id
		<-end
	}
	var last uint64
	for range 1000 { // of two kilobytes each
		all.Go(func() { standing(20) })
		last = max(last, <-ids)
	}
	if s := asyncio.StackOfGoroutine(last); !strings.HasPrefix(s, fmt.Sprintf("goroutine %d ", last)) ||
		!strings.Contains(s, "FindsAGoroutineAmongVeryMany") || strings.Contains(s, "\n\n") {
		t.Errorf("the stack of goroutine %d is\n%.500s", last, s)
	}
	if s := asyncio.StackOfGoroutine(1 << 60); !strings.HasPrefix(s, "its stack is not among the first ") {
		t.Errorf("the stack of nobody is\n%.500s", s)
	}
	close(end)
	all.Wait()
}

func TestPackagesOfGosLibraryAreKnownByTheirNamesWhereFilesDoNotTell(t *testing.T) {
	for name, want := range map[string]bool{
		"time.AfterFunc":        true,
		"net/http.(*Client).Do": true,
		"main.main":             false,
		"main.(*worker).run":    false,
		"mainline.run":          true,
		"github.com/asyncio-go/asyncio.(*Loop).Run": false,
		"example.com/x/net/http.Get":                false,
	} {
		if got := asyncio.IsStandardByName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// In debug mode what is the loop's alone panics on another goroutine.
func TestAWaitGraphIsForTheLoopsGoroutineInDebugMode(t *testing.T) {
	for _, debug := range []bool{false, true} {
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			l := must(asyncio.RunningLoop(ctx))
			panicked, err := asyncio.ToThread(ctx, func(context.Context) (panicked bool, _ error) {
				defer func() { panicked = recover() != nil }()
				if debug { // else nobody looks, and it would be a data race
					l.WaitGraph()
				}
				return false, nil
			})
			if panicked != debug {
				t.Errorf("debug mode %v: it panicked: %v", debug, panicked)
			}
			l.WaitGraph()
			return err
		}, asyncio.WithDebug(debug))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A step that holds the loop for long is reported once, with its task and with how
// long it has taken so far; also where the stall watch does not look.
func TestAStepThatHoldsTheLoopIsReportedOnce(t *testing.T) {
	for name, watch := range map[string]asyncio.Option{"watched": asyncio.WithStallWatch(time.Hour), "unwatched": asyncio.WithStallWatch(0)} {
		t.Run(name, func(t *testing.T) {
			unlessHeldUp(t, func() string { return holdOnce(t, watch) })
		})
	}
}

// holdOnce holds a loop in one step, and returns what is wrong with the report.
func holdOnce(t *testing.T, watch asyncio.Option) (wrong string) {
	log := newRecord()
	var took time.Duration
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loopOf(ctx).SetSlowCallbackDuration(4 * time.Millisecond)
		if err := asyncio.Sleep(ctx, 30*time.Millisecond); err != nil { // the loop is older than the step
			return err
		}
		began := time.Now()
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(context.Context) error {
				holdTheLoop(log)
				for began := time.Now(); time.Since(began) < 10*time.Millisecond; { // which is more than a look or two
					runtime.Gosched()
				}
				took = time.Since(began)
				return nil
			}, asyncio.WithName("holder"))
			return nil
		})
	}, asyncio.WithDebug(true), watch, log.option())
	if err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if n := strings.Count(text, "task=holder"); n != 1 { // others may, where the machine is busy
		return fmt.Sprintf("it was reported %d times:\n%s", n, text)
	}
	if !strings.Contains(text, "asyncio_test.holdTheLoop") {
		return "who it was is not said:\n" + text
	}
	_, rest, _ := strings.Cut(text, "task=holder for=")
	word, _, _ := strings.Cut(rest, "\n")
	word, _, _ = strings.Cut(word, " ")
	if d, err := time.ParseDuration(word); err != nil || d < 4*time.Millisecond || d > took {
		return fmt.Sprintf("it has taken %q, and %v in the end:\n%s", word, took, text)
	}
	return ""
}

func TestACallGraphShowsStacksAndWhoWaits(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		inner := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("inner"))
		outer := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return inner.Await(ctx) }, asyncio.WithName("outer"))
		turns(ctx, 3)
		text := asyncio.FormatCallGraph(inner)
		i, s, a, o := strings.Index(text, "inner"), strings.Index(text, "+ stack:\n"), strings.Index(text, "+ awaited by:\n"), strings.Index(text, "outer")
		if i < 0 || s < i || a < s || o < a || strings.Count(text, "+ stack:\n") != 2 {
			t.Errorf("the graph is\n%s", text)
		}
		outer.Cancel()
		inner.Cancel()
		turns(ctx, 3)
	})
}
