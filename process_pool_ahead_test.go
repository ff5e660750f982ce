package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// noted is a call that writes into a file that it has begun.
type noted struct {
	File string
	N    int
	How  string // "", or what misbehave knows
}

var note = asyncio.RegisterWorker("note", func(_ context.Context, in noted) (int, error) {
	f, err := os.OpenFile(in.File, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(f, in.N); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	switch in.How {
	case "exit":
		os.Exit(3)
	case "hang":
		fmt.Fprintln(os.Stderr, in.N)
		select {}
	}
	return in.N, nil
})

// hanging is standard error of workers: it tells the numbers of the calls that hang.
type hanging chan int

func (h hanging) Write(p []byte) (int, error) {
	for word := range strings.FieldsSeq(string(p)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return 0, err
		}
		h <- n
	}
	return len(p), nil
}

// begun returns the calls that have begun, in order.
func begun(t *testing.T, file string) (all []int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(b)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// warm lets the pool learn that calls are short, so that it sends some ahead.
func warm(t *testing.T, ctx context.Context, p *asyncio.ProcessPoolExecutor, workers int) {
	t.Helper()
	l := must(asyncio.RunningLoop(ctx))
	for range 20 {
		var all []*asyncio.Future[int]
		for range workers {
			all = append(all, processID.Start(l, p, struct{}{}))
		}
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallsOfOneWorkerBeginInOrder(t *testing.T) {
	p := newProcessPool(t, 1)
	file := filepath.Join(t.TempDir(), "begun")
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		warm(t, ctx, p, 1)
		var all []*asyncio.Future[int]
		var want []int
		for n := range 500 {
			all = append(all, note.Start(l, p, noted{File: file, N: n}))
			want = append(want, n)
		}
		if got, err := asyncio.Gather(ctx, all...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		if got := begun(t, file); !slices.Equal(got, want) {
			t.Errorf("they began as %v", got)
		}
	})
}

// What was sent ahead to a worker whose call crashes or is cancelled has not begun, and
// is run by another: once.
func TestCallsThatWereSentAheadAreNotLostAndBeginOnce(t *testing.T) {
	const workers, calls = 2, 400
	hang := make(hanging, calls)
	p := newProcessPool(t, workers, asyncio.WithWorkerStderr(hang))
	file := filepath.Join(t.TempDir(), "begun")
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		rnd := rand.New(rand.NewPCG(7, 9))
		warm(t, ctx, p, workers)
		crashes := map[int]bool{}
		cancelled := map[int]bool{}
		all := make([]*asyncio.Future[int], calls)
		for n := range all {
			how := ""
			switch {
			case n%80 == 40:
				how, crashes[n] = "exit", true
			case n%80 == 60:
				how, cancelled[n] = "hang", true
			case n%17 == 3:
				cancelled[n] = true
			}
			all[n] = note.Start(l, p, noted{file, n, how})
		}
		for n, f := range all {
			if cancelled[n] && n%80 != 60 && rnd.IntN(2) == 0 {
				f.Cancel() // wherever it is
			}
		}
		for range calls / 80 {
			// It runs, perhaps with others behind it. Two workers begin theirs in any order.
			n := must(asyncio.ToThread(ctx, func(context.Context) (int, error) { return <-hang, nil }))
			all[n].Cancel()
		}
		for n, f := range all {
			v, err := f.Await(ctx)
			var crash *asyncio.WorkerCrashError
			switch {
			case crashes[n]:
				if !errors.As(err, &crash) {
					t.Errorf("call %d crashes, and gave %v", n, err)
				}
			case err == nil && v == n:
			case cancelled[n] && asyncio.IsCancelled(err):
			default:
				t.Errorf("call %d gave %d, %v", n, v, err)
			}
		}
		// The future of a cancelled call is done before its worker is.
		must(asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.Shutdown(ctx) }))
		times := map[int]int{}
		for _, n := range begun(t, file) {
			times[n]++
		}
		for n, f := range all {
			if times[n] > 1 || times[n] == 0 && !f.Cancelled() {
				t.Errorf("call %d began %d times", n, times[n])
			}
		}
		if s := p.Stats(); s.Crashed != uint64(len(crashes)) || s.Queued != 0 || s.Running != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A call that takes long gives back what was sent ahead to its worker.
func TestALongCallHoldsUpNoOther(t *testing.T) {
	const workers = 2
	p := newProcessPool(t, workers)
	file := filepath.Join(t.TempDir(), "begun")
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		warm(t, ctx, p, workers)
		var all []*asyncio.Future[int]
		hanging := note.Start(l, p, noted{file, -1, "hang"})
		for n := range 60 {
			all = append(all, note.Start(l, p, noted{File: file, N: n}))
		}
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Running != 1 || hanging.Done() {
			t.Errorf("%+v", s)
		}
		hanging.Cancel()
		eventually(t, ctx, "its worker has ended", func() bool { return p.Stats().Running == 0 })
	})
}
