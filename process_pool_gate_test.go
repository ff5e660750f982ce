//go:build unix

package asyncio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/asyncio-go/asyncio"
)

var (
	// passGate is a call that lasts until the gate of that name is opened.
	passGate = asyncio.RegisterWorker("passGate", func(_ context.Context, name string) (int, error) {
		f, err := os.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return f.Read(make([]byte, 1))
	})
	// babble writes the length of a large frame where its results go.
	babble = asyncio.RegisterWorker("babble", func(context.Context, struct{}) (int, error) {
		if _, err := syscall.Write(1, binary.BigEndian.AppendUint32(nil, 1<<31)); err != nil {
			return 0, err
		}
		os.Exit(0)
		return 0, nil
	})
)

// A gate holds a call up in a worker process.
type gate struct {
	t *testing.T
	f *os.File
}

func newGate(t *testing.T) gate {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0) // both sides, which waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return gate{t, f}
}

func (g gate) open() {
	g.t.Helper()
	if _, err := g.f.Write([]byte{1}); err != nil {
		g.t.Error(err)
	}
}

// heldUpBy starts a call that lasts until the gate is opened.
func heldUpBy(ctx context.Context, p *asyncio.ProcessPoolExecutor, g gate) *asyncio.Future[int] {
	return passGate.Start(loopOf(ctx), p, g.f.Name())
}

func processIDs(ctx context.Context, p *asyncio.ProcessPoolExecutor, n int) (all []*asyncio.Future[int]) {
	for range n {
		all = append(all, processID.Start(loopOf(ctx), p, struct{}{}))
	}
	return all
}

func checkAhead(t *testing.T, p *asyncio.ProcessPoolExecutor, ahead, queued int) {
	t.Helper()
	if a, q := p.Ahead(); a != ahead || q != queued {
		t.Errorf("%d calls were sent ahead and %d wait; want %d and %d", a, q, ahead, queued)
	}
}

// A call behind another is taken back from a worker that is held up, and is sent to no
// other that is, until one is free.
func TestCallsBehindLongOnesWaitForAFreeWorker(t *testing.T) {
	p := newProcessPool(t, 2)
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		one, two := newGate(t), newGate(t)
		first, second := heldUpBy(ctx, p, one), heldUpBy(ctx, p, two)
		eventually(t, ctx, "both are there", func() bool { return p.Stats().Started == 2 })
		p.SetCallsLast(time.Microsecond)
		p.SetBegan(-time.Hour)
		calls := processIDs(ctx, p, 2) // one behind each
		checkAhead(t, p, 2, 0)
		if s := p.Stats(); s.Running != 2 || s.Queued != 2 || s.Done != 0 {
			t.Errorf("%+v", s)
		}
		p.SetBegan(time.Hour)
		eventually(t, ctx, "they are taken back", func() bool {
			a, q := p.Ahead()
			return a == 0 && q == 2
		})
		calls = append(calls, processIDs(ctx, p, 1)...)
		checkAhead(t, p, 0, 3)
		one.open()
		if ids, err := asyncio.Gather(ctx, calls...); err != nil || ids[0] != ids[1] || ids[1] != ids[2] {
			t.Errorf("%v, %v", ids, err)
		}
		if n, err := first.Await(ctx); n != 1 || err != nil || second.Done() {
			t.Error(n, err, second)
		}
		// What was held up is so no more.
		third := heldUpBy(ctx, p, one)
		p.SetCallsLast(time.Microsecond)
		p.SetBegan(-time.Hour)
		last := processIDs(ctx, p, 1)
		checkAhead(t, p, 1, 0)
		one.open()
		two.open()
		if _, err := asyncio.Gather(ctx, append(last, second, third)...); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Running+s.Queued != 0 || s.Done != 7 || s.Started != 2 || s.Crashed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A worker is watched for as long as there are calls behind another, not only when the
// first of them is sent.
func TestACallBehindALongOneThatBeganLaterIsTakenBack(t *testing.T) {
	p := newProcessPool(t, 2)
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		short, long, other := newGate(t), newGate(t), newGate(t)
		all := []*asyncio.Future[int]{heldUpBy(ctx, p, short), heldUpBy(ctx, p, other)}
		eventually(t, ctx, "both are there", func() bool { return p.Stats().Started == 2 })
		p.SetCallsLast(time.Microsecond)
		all = append(all, heldUpBy(ctx, p, long), heldUpBy(ctx, p, long))
		calls := processIDs(ctx, p, 2)
		short.open()
		all[0].Await(ctx)
		other.open()
		eventually(t, ctx, "the long ones are all that is left", func() bool {
			s := p.Stats()
			return s.Running == 2 && s.Done == 2 && s.Queued == 2
		})
		long.open()
		if _, err := asyncio.Gather(ctx, calls...); err != nil {
			t.Error(err)
		}
		long.open()
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Error(err)
		}
	})
}

func TestAPoolHasNoMoreWorkersThanThereAreCalls(t *testing.T) {
	p := newProcessPool(t, 2)
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		for range 3 {
			if _, err := processID.Call(ctx, p, struct{}{}); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.Started != 1 || len(s.Workers) != 1 || s.Workers[0] != must(processID.Call(ctx, p, struct{}{})) {
			t.Errorf("calls one after another: %+v", s)
		}
		g := newGate(t)
		held := heldUpBy(ctx, p, g)
		p.SetCallsLast(time.Microsecond)
		calls := processIDs(ctx, p, 1)
		checkAhead(t, p, 0, 0) // it has another worker
		if _, err := asyncio.Gather(ctx, calls...); err != nil || held.Done() {
			t.Error(err)
		}
		g.open()
		held.Await(ctx)
	})
}

// A worker that was told that its call is not wanted any more, and does not hear it, is
// killed.
func TestAWorkerThatIsStoppedIsKilledForItsCancelledCall(t *testing.T) {
	begun := make(hanging, 1)
	p := newProcessPool(t, 1, asyncio.WithWorkerStderr(begun))
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		before, err := processID.Call(ctx, p, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		held := note.Start(loopOf(ctx), p, noted{filepath.Join(t.TempDir(), "begun"), 1, "hang"})
		p.SetCallsLast(time.Microsecond)
		p.SetBegan(-time.Hour)
		calls := processIDs(ctx, p, 1)
		checkAhead(t, p, 1, 0)
		// It has begun, or the worker could say before it stops that it has not.
		must(asyncio.WrapChan(loopOf(ctx), begun).Await(ctx))
		if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		held.Cancel()
		if ids, err := asyncio.Gather(ctx, calls...); err != nil || ids[0] == before {
			t.Error(ids, err)
		}
	})
}

func TestAbandonedPoolNamesTheCallsThatRanTheLongestFirst(t *testing.T) {
	notEmulated(t, "a worker is this program, started without an emulator")
	const workers = 4
	p := must(asyncio.NewProcessPoolExecutor(workers))
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		var all []*asyncio.Future[int]
		for range workers {
			all = append(all, heldUpBy(ctx, p, newGate(t)))
		}
		eventually(t, ctx, "all are there", func() bool { return p.Stats().Started == workers })
		p.SetCallsLast(time.Microsecond)
		all = append(all, processIDs(ctx, p, 2)...)
		p.SetCallsLast(0)
		all = append(all, processIDs(ctx, p, 2)...) // of the four some were sent ahead
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, p.Shutdown(ended) })
		var left *asyncio.JobsLeftError
		if !errors.As(err, &left) || len(left.Jobs) != workers || !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for i, j := range left.Jobs {
			if j.Function != "passGate" || j.Cancelled || j.Running <= 0 || j.Running > time.Hour {
				t.Errorf("%+v", j)
			}
			if i > 0 && j.Running > left.Jobs[i-1].Running {
				t.Errorf("%v comes before %v", left.Jobs[i-1].Running, j.Running)
			}
		}
		for i, f := range all {
			if _, err := f.Await(ctx); !errors.Is(err, asyncio.ErrExecutorShutdown) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if s := p.Stats(); s.Crashed != 0 || s.Done != uint64(len(all)) {
			t.Errorf("%+v", s)
		}
	})
}

// A call that was sent ahead begins when the one before it is done.
func TestACallThatWasSentAheadHasRunSinceItBegan(t *testing.T) {
	notEmulated(t, "a worker is this program, started without an emulator")
	p := must(asyncio.NewProcessPoolExecutor(1))
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		one, two := newGate(t), newGate(t)
		first := heldUpBy(ctx, p, one)
		eventually(t, ctx, "the worker is there", func() bool { return p.Stats().Started == 1 })
		p.SetCallsLast(time.Microsecond)
		p.SetBegan(-time.Hour)
		second := heldUpBy(ctx, p, two)
		checkAhead(t, p, 1, 0)
		one.open()
		if _, err := first.Await(ctx); err != nil {
			t.Error(err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, p.Shutdown(ended) })
		var left *asyncio.JobsLeftError
		if !errors.As(err, &left) || len(left.Jobs) != 1 || left.Jobs[0].Running < 0 || left.Jobs[0].Running > time.Hour {
			t.Errorf("%v", err)
		}
		if _, err := second.Await(ctx); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Error(err)
		}
	})
}

// Behind a call that waits, those that were cancelled are thrown away when there are as
// many as is worth while.
func TestCancelledCallsDoNotPileUpInAPool(t *testing.T) {
	p := newProcessPool(t, 1)
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		g := newGate(t)
		all := []*asyncio.Future[int]{heldUpBy(ctx, p, g)}
		add := func(n int) { all = append(all, processIDs(ctx, p, n)...) }
		addCancelled := func(n int) {
			for _, f := range processIDs(ctx, p, n) {
				f.Cancel()
			}
		}
		const least = asyncio.PoolMinSweep
		add(1)
		addCancelled(least - 2)
		checkAhead(t, p, 0, least-1)
		add(1)
		checkAhead(t, p, 0, 2)
		add(least - 2)
		addCancelled(least - 1)
		checkAhead(t, p, 0, 2*least-1)
		add(1)
		checkAhead(t, p, 0, least+1)
		g.open()
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Done != uint64(len(all)+2*least-3) || s.Crashed != 0 || s.Started != 1 {
			t.Errorf("%+v of %d", s, len(all))
		}
	})
}

// Of a call that is done the pool keeps nothing, though others wait behind it.
func TestAPoolKeepsNothingOfCallsThatAreDone(t *testing.T) {
	p := newProcessPool(t, 1)
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		one, two := newGate(t), newGate(t)
		held := heldUpBy(ctx, p, one)
		done := processIDs(ctx, p, 3)
		var kept []weak.Pointer[asyncio.Future[int]]
		for _, f := range done {
			kept = append(kept, weak.Make(f))
		}
		next := heldUpBy(ctx, p, two)
		last := processIDs(ctx, p, 1)
		one.open()
		if _, err := asyncio.Gather(ctx, append(slices.Clone(done), held)...); err != nil {
			t.Error(err)
		}
		clear(done)
		eventually(t, ctx, "what is done is let go of", func() bool {
			runtime.GC()
			return !slices.ContainsFunc(kept, func(f weak.Pointer[asyncio.Future[int]]) bool { return f.Value() != nil })
		})
		if last[0].Done() || next.Done() {
			t.Error("they did not wait")
		}
		two.open()
		if _, err := asyncio.Gather(ctx, append(last, next)...); err != nil {
			t.Error(err)
		}
	})
}

// What a worker says must not fill the memory of its parent, whatever it is.
func TestAWorkerThatAnnouncesALargeMessageFailsItsCall(t *testing.T) {
	p := newProcessPool(t, 1, asyncio.WithMaxMessage(1000))
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		if _, err := babble.Call(ctx, p, struct{}{}); !errors.Is(err, asyncio.ErrMessageTooLarge) {
			t.Error(err)
		}
		if _, err := processID.Call(ctx, p, struct{}{}); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Crashed != 0 || s.Started != 2 || s.Done != 2 {
			t.Errorf("%+v", s)
		}
	})
}
