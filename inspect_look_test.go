package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// look looks at the loop of ctx from another goroutine, with all tasks and their
// stacks.
func look(t *testing.T, ctx context.Context) *asyncio.LoopLook {
	t.Helper()
	l := loopOf(ctx)
	k, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
		return l.Look(ctx, time.Minute, asyncio.LookOptions{Tasks: 1 << 20, Stacks: true, Labels: true, Sockets: true, Events: new(uint64)})
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func taskOf(t *testing.T, k *asyncio.LoopLook, name string) *asyncio.TaskLook {
	t.Helper()
	i := slices.IndexFunc(k.Tasks, func(task asyncio.TaskLook) bool { return task.Name == name })
	if i < 0 {
		t.Fatalf("there is no task %q in %+v", name, k.Tasks)
	}
	return &k.Tasks[i]
}

// withInsight takes note of what level says until the test has ended.
func withInsight(t *testing.T, level asyncio.InsightLevel) {
	before := asyncio.Insight()
	asyncio.SetInsight(level)
	t.Cleanup(func() { asyncio.SetInsight(before) })
}

func TestALookShowsWhatEachTaskWaitsFor(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	forever := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		holder := asyncio.NewLock()
		semaphore := asyncio.NewSemaphore(1)
		queue, full, joined := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1), asyncio.NewQueue[int](0)
		full.PutNowait(1)
		joined.PutNowait(1)
		sleeper := asyncio.Go(ctx, func(ctx context.Context) error {
			if err := errors.Join(holder.Acquire(ctx), semaphore.Acquire(ctx)); err != nil {
				return err
			}
			if _, err := joined.Get(ctx); err != nil {
				return err
			}
			return forever(ctx)
		}, asyncio.WithName("sleeper"))
		asyncio.Sleep(ctx, 0)
		blocked := make(chan struct{})
		defer close(blocked)
		cond := asyncio.NewCondition()
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error { return forever(ctx) })
		defer srv.Close()
		stream := dial(t, ctx, srv.Addr())
		defer stream.Close()
		var members []*asyncio.Task[struct{}]
		wants := map[string]struct {
			wait     func(ctx context.Context) error
			kind     string
			detail   string
			call     string
			forTasks bool
		}{
			"sleep":  {forever, "sleep", "", "Sleep", false},
			"task":   {func(ctx context.Context) error { _, err := sleeper.Await(ctx); return err }, "task", "", "Task.Await", true},
			"lock":   {holder.Acquire, "lock", "held", "Lock.Acquire", true},
			"sem":    {semaphore.Acquire, "semaphore", "0 of 1 left", "Semaphore.Acquire", true},
			"get":    {func(ctx context.Context) error { _, err := queue.Get(ctx); return err }, "queue", "get: empty", "Queue.Get", false},
			"put":    {func(ctx context.Context) error { return full.Put(ctx, 1) }, "queue", "put: full, 1 items", "Queue.Put", false},
			"join":   {joined.Join, "queue", "join: 1 unfinished", "Queue.Join", true},
			"event":  {asyncio.NewEvent().Wait, "event", "", "Event.Wait", false},
			"cond":   {func(ctx context.Context) error { return cond.With(ctx, cond.Wait) }, "condition", "", "Condition.With", false},
			"future": {func(ctx context.Context) error { _, err := asyncio.NewFuture[int](l).Await(ctx); return err }, "future", "", "Future.Await", false},
			"job": {func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-blocked; return 0, nil })
				return err
			}, "job", "TestALookShowsWhatEachTaskWaitsFor", "ToThread", false},
			"read":   {func(ctx context.Context) error { _, err := stream.Read(make([]byte, 1)); return err }, "socket", "read " + srv.Addr().String(), "StreamReader.Read", false},
			"server": {srv.WaitClosed, "server", srv.Addr().String(), "Server.WaitClosed", false},
			"group": {func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					g.Go(forever, asyncio.WithName("member"))
					g.Go(forever)
					return nil
				})
			}, "tasks", "", "Group", true},
			"body of a group": {func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					g.Go(forever)
					return asyncio.NewEvent().Wait(ctx)
				})
			}, "event", "", "Event.Wait", false},
			"gather": {func(ctx context.Context) error {
				a, b := asyncio.Go(ctx, forever), asyncio.Go(ctx, forever)
				_, err := asyncio.Gather(ctx, a, b)
				return err
			}, "tasks", "", "Gather", true},
			"completed": {func(ctx context.Context) error {
				for _, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, asyncio.Go(ctx, forever), asyncio.Go(ctx, forever)) {
					return err
				}
				return nil
			}, "tasks", "", "", true},
			"thread queue": {func(ctx context.Context) error {
				_, err := asyncio.NewThreadQueue[int](l, 1).Async().Get(ctx)
				return err
			}, "thread queue", "", "AsyncSide.Get", false},
		}
		for name, w := range wants {
			members = append(members, asyncio.Go(ctx, w.wait, asyncio.WithName(name)))
		}
		for range 5 {
			asyncio.Sleep(ctx, 0)
		}
		k := look(t, ctx)
		main := asyncio.CurrentTask(ctx)
		for name, want := range wants {
			task := taskOf(t, k, name)
			w := task.Waits
			if task.State != "waits" || w == nil || w.Kind != want.kind || !strings.Contains(w.Detail, want.detail) || !strings.Contains(w.Call, want.call) || (len(w.Tasks) > 0) != want.forTasks {
				t.Errorf("%s: %+v waits for %+v", name, task, w)
			}
			if w != nil && w.Until > 0 != (want.kind == "sleep") {
				t.Errorf("%s waits until %v", name, w.Until)
			}
			if task.Parent == 0 || task.For < 0 || task.At == nil || len(task.Stack) == 0 || task.Steps == 0 {
				t.Errorf("%s: %+v", name, task)
			}
		}
		holding := taskOf(t, k, "sleeper").ID
		for _, name := range []string{"task", "lock", "sem", "join"} {
			if got := taskOf(t, k, name).Waits.Tasks; !slices.Equal(got, []uint64{holding}) {
				t.Errorf("%s waits for %v, want %d", name, got, holding)
			}
		}
		if members := taskOf(t, k, "group").Waits.Tasks; len(members) != 2 || members[0] != taskOf(t, k, "member").ID {
			t.Errorf("the group waits for %v", members)
		}
		if !taskOf(t, k, "completed").Waits.Any || taskOf(t, k, "gather").Waits.Any {
			t.Error("of which one is enough is not known")
		}
		if k.State == "stuck" || k.Loop != l.ID() || k.Level != "on" || k.SocketCount < 2 || len(k.Sockets) != k.SocketCount || len(k.Executors) == 0 || k.Cycles != nil {
			t.Errorf("%+v", k)
		}
		if l.TaskByID(holding) == nil || l.TaskByID(holding).Name() != "sleeper" || l.TaskByID(1<<40) != nil {
			t.Error("a task is not found by its number")
		}
		if main := taskOf(t, k, main.Name()); main.Waits == nil || main.Waits.Kind != "job" {
			t.Errorf("main: %+v", main)
		}
		for _, task := range append(members, sleeper) {
			task.Cancel()
		}
		asyncio.GatherSettled(ctx, members...)
	})
}

func TestALookWithoutInsightShowsNoTimesAndNothingThatWasNoted(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("one"))
		k := look(t, ctx)
		if one := taskOf(t, k, "one"); one.For != -1 || one.Parent != 0 || len(k.Ended) > 0 || len(k.Turns.Counts) > 0 || k.Level != "off" {
			t.Errorf("%+v, %+v", one, k)
		}
	})
}

func TestTasksThatWaitForEachOtherInACircleAreNamed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		a, b := asyncio.NewLock(), asyncio.NewLock()
		take := func(first, second *asyncio.Lock) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return first.With(ctx, func(ctx context.Context) error {
					asyncio.Sleep(ctx, 0)
					return second.Acquire(ctx)
				})
			}
		}
		one, two := asyncio.Go(ctx, take(a, b), asyncio.WithName("one")), asyncio.Go(ctx, take(b, a), asyncio.WithName("two"))
		victim := asyncio.Go(ctx, func(ctx context.Context) error { _, err := one.Await(ctx); return err }, asyncio.WithName("victim"))
		other := asyncio.Go(ctx, a.Acquire, asyncio.WithName("behind"))
		for range 5 {
			asyncio.Sleep(ctx, 0)
		}
		k := look(t, ctx)
		want := []uint64{taskOf(t, k, "one").ID, taskOf(t, k, "two").ID}
		if len(k.Cycles) != 1 || !slices.Equal(k.Cycles[0], want) {
			t.Errorf("%v, want %v", k.Cycles, want)
		}
		for _, task := range []*asyncio.Task[struct{}]{one, two, victim, other} {
			task.Cancel()
		}
		asyncio.GatherSettled(ctx, one, two, victim, other)
	})
}

func TestALookAtMoreTasksThanWereAskedForGoesOnAfterTheLast(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		const n = 500
		for range n {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		l := loopOf(ctx)
		var ids []uint64
		after := uint64(0)
		for more := true; more; {
			k, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
				return l.Look(ctx, time.Minute, asyncio.LookOptions{Tasks: 64, After: after})
			})
			if err != nil || len(k.Tasks) > 64 || len(k.Tasks) == 0 {
				t.Fatal(k, err)
			}
			for _, task := range k.Tasks {
				ids = append(ids, task.ID)
			}
			after, more = ids[len(ids)-1], k.More
		}
		if len(ids) != n+1 || !slices.IsSorted(ids) {
			t.Errorf("%d tasks: %v", len(ids), ids)
		}
		k, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
			return l.Look(ctx, time.Minute, asyncio.LookOptions{Tasks: -1})
		})
		if err != nil || len(k.Tasks) > 0 || k.Stats.Tasks != n+1 {
			t.Errorf("%+v, %v", k, err)
		}
	})
}

func TestLooksThatCannotBeSaySo(t *testing.T) {
	l := newLoop(t)
	if k, err := l.Look(t.Context(), time.Second, asyncio.LookOptions{}); err != nil || k.State != "stopped" || k.Loop != l.ID() || k.Loop == 0 {
		t.Errorf("%+v, %v", k, err)
	}
	if slices.Contains(asyncio.Loops(), l) {
		t.Error("a loop that does not run is among those that do")
	}
	l.CallSoon(func() {
		if _, err := l.Look(context.Background(), time.Second, asyncio.LookOptions{}); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Error(err)
		}
		if !slices.Contains(asyncio.Loops(), l) {
			t.Error("the loop is not among those that run")
		}
		l.Stop()
	})
	if err := l.RunForever(); err != nil {
		t.Error(err)
	}
	l.Close()
	if _, err := l.Look(t.Context(), time.Second, asyncio.LookOptions{}); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Error(err)
	}
}

// What is gone through while it changes is each task that is there all the time, once.
func TestACursorMeetsEachTaskThatStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := asyncio.NewTaskList()
		var all []int
		add := func() { all = append(all, s.Add()) }
		for range rapid.IntRange(0, 20).Draw(t, "tasks") {
			add()
		}
		stays := make(map[int]bool)
		for _, id := range all {
			stays[id] = true
		}
		after := rapid.IntRange(0, len(all)+1).Draw(t, "after")
		c := s.Cursor(after)
		last := after
		for {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				if rapid.Bool().Draw(t, "add") {
					add()
				} else if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(t, "removed")
					s.Remove(all[i])
					delete(stays, all[i])
					all = slices.Delete(all, i, i+1)
				}
			}
			if len(all) > 60 {
				break
			}
			id := c.Take()
			if id == 0 {
				for id := range stays {
					if id > after {
						t.Fatalf("task %d was passed over", id)
					}
				}
				break
			}
			if id <= last || !slices.Contains(all, id) {
				t.Fatalf("task %d after %d", id, last)
			}
			last = id
			delete(stays, id)
		}
		c.End()
		if s.Cursors() != 0 {
			t.Fatal("the cursor is still there")
		}
	})
}

// What a loop makes while the collector runs it pays for by helping it, in the middle of
// its work.
func TestALoopAllocatesNothingForASleepingTaskThatIsLookedAt(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		sleeper := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		asyncio.Sleep(ctx, 0)
		if n := asyncio.AllocationsOfALook(sleeper); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestALookThatIsOverHoldsNothing(t *testing.T) {
	if raceDetector() {
		t.Skip("with the race detector, memory is another")
	}
	withInsight(t, asyncio.InsightOn)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for range 1000 {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		asyncio.Sleep(ctx, 0)
		look(t, ctx) // stacks grow once
		before := heldMemory()
		for range 5 {
			if k := look(t, ctx); len(k.Tasks) < 1000 {
				t.Fatal(len(k.Tasks))
			}
		}
		asyncio.Sleep(ctx, 0)
		if more := heldMemory() - before; more > 100_000 {
			t.Errorf("%d bytes are held, of 5 looks at 1000 tasks", more)
		}
	})
}

// heldMemory returns how many bytes of heap and stacks are in use.
func heldMemory() int64 {
	runtime.GC()
	runtime.GC() // what a pool has kept goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func BenchmarkLook(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		for _, stacks := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d tasks, stacks=%t", n, stacks), func(b *testing.B) {
				loops, over := make(chan *asyncio.Loop, 1), make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
						for range n {
							asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
						}
						asyncio.Sleep(ctx, time.Millisecond)
						loops <- loopOf(ctx)
						_, err := asyncio.WrapChan(loopOf(ctx), over).Await(ctx)
						return err
					})
				})
				l := <-loops
				runtime.GC()
				var held time.Duration
				for b.Loop() {
					k, err := l.Look(b.Context(), time.Minute, asyncio.LookOptions{Tasks: 1 << 20, Stacks: stacks})
					if err != nil || len(k.Tasks) < n {
						b.Fatal(len(k.Tasks), err)
					}
					held = max(held, k.Held)
				}
				b.ReportMetric(float64(held.Microseconds()), "held-µs")
				close(over)
				all.Wait()
			})
		}
	}
}

func TestALookEndsItsSearchForWhoWaitsAfterTwoThousandCallbacks(t *testing.T) {
	for tasks, want := range map[int]int{3: 3, 999: 999, 1000: 1000, 1001: 1000} { // two callbacks each
		if n := asyncio.FoundAwaiting(tasks); n != want {
			t.Errorf("of %d tasks %d were found, want %d", tasks, n, want)
		}
	}
}
