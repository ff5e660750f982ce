package asyncio_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// waitOf returns what the task of that name waits for.
func waitOf(t *testing.T, ctx context.Context, name string) *asyncio.WaitLook {
	t.Helper()
	w := taskOf(t, look(t, ctx), name).Waits
	if w == nil {
		t.Fatalf("%s does not wait", name)
	}
	return w
}

func TestWaitsForOneObjectNameItAndOthersAnother(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		held := func() *asyncio.Lock { l := asyncio.NewLock(); l.Acquire(ctx); return l }
		taken := func() *asyncio.Semaphore { return asyncio.NewSemaphore(0) }
		get := func(q *asyncio.Queue[int]) func(context.Context) error {
			return func(ctx context.Context) error { _, err := q.Get(ctx); return err }
		}
		put := func(q *asyncio.Queue[int]) func(context.Context) error {
			q.PutNowait(1)
			return func(ctx context.Context) error { return q.Put(ctx, 1) }
		}
		join := func(q *asyncio.Queue[int]) func(context.Context) error {
			q.PutNowait(1)
			return q.Join
		}
		wait := func(c *asyncio.Condition) func(context.Context) error {
			return func(ctx context.Context) error { return c.With(ctx, c.Wait) }
		}
		queue := func() *asyncio.Queue[int] { return asyncio.NewQueue[int](1) }
		var tasks []*asyncio.Task[struct{}]
		one, two := make(map[string]func(context.Context) error), make(map[string]func(context.Context) error)
		for _, all := range []map[string]func(context.Context) error{one, two} {
			all["lock"], all["semaphore"], all["get"] = held().Acquire, taken().Acquire, get(queue())
			all["put"], all["join"], all["condition"] = put(queue()), join(queue()), wait(asyncio.NewCondition())
			all["event"] = asyncio.NewEvent().Wait
		}
		for name, f := range one {
			tasks = append(tasks, asyncio.Go(ctx, f, asyncio.WithName(name)), asyncio.Go(ctx, f, asyncio.WithName(name+" again")))
			tasks = append(tasks, asyncio.Go(ctx, two[name], asyncio.WithName(name+" other")))
		}
		turns(ctx, 5)
		k := look(t, ctx)
		for name := range one {
			a, b, c := taskOf(t, k, name).Waits.Object, taskOf(t, k, name+" again").Waits.Object, taskOf(t, k, name+" other").Waits.Object
			if a == "" || a != b || a == c {
				t.Errorf("%s: %s, %s, and another %s", name, a, b, c)
			}
		}
		for _, task := range tasks {
			task.Cancel()
		}
		asyncio.GatherSettled(ctx, tasks...)
	})
}

func TestAnOpenLockIsWaitedForBehindOthers(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		lock := asyncio.NewLock()
		lock.Acquire(ctx)
		first := asyncio.Go(ctx, lock.Acquire)
		second := asyncio.Go(ctx, lock.Acquire, asyncio.WithName("second"))
		asyncio.Sleep(ctx, 0)
		if w := waitOf(t, ctx, "second"); w.Detail != fmt.Sprintf("held by Task-%d", w.Tasks[0]) || w.Tasks[0] != asyncio.TaskNumber(asyncio.CurrentTask(ctx)) {
			t.Errorf("%+v", w)
		}
		lock.Release() // the first is on its way
		w, object := asyncio.DescribeLock(lock)
		if w.Kind != "lock" || w.Detail != "open, others come first" || w.Tasks != nil || object != lock {
			t.Errorf("%+v of %v", w, object)
		}
		first.Await(ctx)
		lock.Release()
		second.Await(ctx)
	})
}

func TestWhoHoldsASemaphore(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		s := asyncio.NewSemaphore(3)
		me := asyncio.TaskNumber(asyncio.CurrentTask(ctx))
		release := asyncio.NewEvent()
		hold := func(ctx context.Context) error {
			s.Acquire(ctx)
			release.Wait(ctx)
			s.Release()
			return asyncio.Sleep(ctx, time.Hour)
		}
		one := asyncio.Go(ctx, hold)
		asyncio.Sleep(ctx, 0)
		s.Acquire(ctx)
		s.Acquire(ctx)
		waits := asyncio.Go(ctx, s.Acquire, asyncio.WithName("waits"))
		turns(ctx, 2)
		if w := waitOf(t, ctx, "waits"); !slices.Equal(w.Tasks, []uint64{me, asyncio.TaskNumber(one)}) && !slices.Equal(w.Tasks, []uint64{asyncio.TaskNumber(one), me}) || !slices.IsSorted(w.Tasks) || !w.Any || w.Detail != "0 of 3 left" {
			t.Errorf("%+v", w)
		}
		s.Release() // one of mine, though the other has held it longer
		waits.Await(ctx)
		last := asyncio.Go(ctx, s.Acquire, asyncio.WithName("last"))
		asyncio.Sleep(ctx, 0)
		want := []uint64{me, asyncio.TaskNumber(one), asyncio.TaskNumber(waits)}
		if w := waitOf(t, ctx, "last"); !slices.Equal(w.Tasks, want) {
			t.Errorf("%+v, want %v", w, want)
		}
		loopOf(ctx).CallSoon(s.Release) // a callback: it is the oldest, which is the first task's
		last.Await(ctx)
		asyncio.Go(ctx, s.Acquire, asyncio.WithName("next"))
		asyncio.Sleep(ctx, 0)
		want = []uint64{me, asyncio.TaskNumber(waits), asyncio.TaskNumber(last)}
		if w := waitOf(t, ctx, "next"); !slices.Equal(w.Tasks, want) {
			t.Errorf("%+v, want %v", w, want)
		}
		stranger := asyncio.Go(ctx, func(ctx context.Context) error { s.Release(); return nil }) // likewise, which is mine
		stranger.Await(ctx)
		asyncio.Go(ctx, s.Acquire, asyncio.WithName("after that"))
		turns(ctx, 2)
		if w := waitOf(t, ctx, "after that"); slices.Contains(w.Tasks, me) || len(w.Tasks) != 3 {
			t.Errorf("%+v", w)
		}
	})
}

func TestWhoHasGivenTheLastBackHoldsNothing(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		s := asyncio.NewSemaphore(1)
		asyncio.Go(ctx, func(ctx context.Context) error { s.Acquire(ctx); s.Release(); return nil }).Await(ctx)
		s.Acquire(ctx)
		asyncio.Go(ctx, s.Acquire, asyncio.WithName("waits"))
		asyncio.Sleep(ctx, 0)
		if w := waitOf(t, ctx, "waits"); !slices.Equal(w.Tasks, []uint64{asyncio.TaskNumber(asyncio.CurrentTask(ctx))}) {
			t.Errorf("%+v", w)
		}
		s.Release()
		turns(ctx, 2)
		s.Release()
		s.Release() // more than were taken
		if s.Value() != 2 {
			t.Errorf("%d", s.Value())
		}
	})
}

func TestOfTheHoldersSomeAreNoted(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		s := asyncio.NewSemaphore(70)
		for range 70 {
			asyncio.Go(ctx, func(ctx context.Context) error { s.Acquire(ctx); return asyncio.Sleep(ctx, time.Hour) })
		}
		asyncio.Go(ctx, s.Acquire, asyncio.WithName("waits"))
		asyncio.Sleep(ctx, 0)
		if w := waitOf(t, ctx, "waits"); len(w.Tasks) != 64 {
			t.Errorf("%d", len(w.Tasks))
		}
	})
}

func TestWithoutInsightTheHoldersOfASemaphoreAreNotNoted(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		s := asyncio.NewSemaphore(1)
		s.Acquire(ctx)
		asyncio.Go(ctx, s.Acquire, asyncio.WithName("waits"))
		asyncio.Sleep(ctx, 0)
		if w := waitOf(t, ctx, "waits"); w.Tasks != nil || w.Any {
			t.Errorf("%+v", w)
		}
		s.Release()
	})
}

func TestWhoJoinsAQueueWaitsForThoseThatHaveItsItems(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		q.PutNowait(1)
		q.PutNowait(2)
		me := asyncio.TaskNumber(asyncio.CurrentTask(ctx))
		joins := asyncio.Go(ctx, q.Join, asyncio.WithName("joins"))
		asyncio.Sleep(ctx, 0)
		check := func(detail string, tasks ...uint64) {
			t.Helper()
			if w := waitOf(t, ctx, "joins"); w.Detail != detail || !slices.Equal(w.Tasks, tasks) {
				t.Errorf("%+v, want %s, %v", w, detail, tasks)
			}
		}
		check("join: 2 unfinished, 2 of them in the queue")
		q.Get(ctx)
		check("join: 2 unfinished, 1 of them in the queue") // that one has nobody
		q.Get(ctx)
		check("join: 2 unfinished, 0 of them in the queue", me)
		q.TaskDone()
		check("join: 1 unfinished, 0 of them in the queue", me)
		q.TaskDone()
		joins.Await(ctx)
	})
}

func TestCirclesAreFound(t *testing.T) {
	all := func(id uint64, tasks ...uint64) asyncio.TaskLook {
		return asyncio.TaskLook{ID: id, Waits: &asyncio.WaitLook{Tasks: tasks}}
	}
	one := func(id uint64, tasks ...uint64) asyncio.TaskLook {
		return asyncio.TaskLook{ID: id, Waits: &asyncio.WaitLook{Tasks: tasks, Any: true}}
	}
	runs := func(id uint64) asyncio.TaskLook { return asyncio.TaskLook{ID: id} }
	chain := []asyncio.TaskLook{runs(40)}
	for id := uint64(1); id < 40; id++ {
		chain = append(chain, all(id, id+1))
	}
	for name, c := range map[string]struct {
		tasks []asyncio.TaskLook
		want  [][]uint64
	}{
		"none":                        {[]asyncio.TaskLook{runs(1), all(2, 1), all(3, 2)}, nil},
		"a long way":                  {chain, nil},
		"itself":                      {[]asyncio.TaskLook{all(1, 1)}, [][]uint64{{1}}},
		"two":                         {[]asyncio.TaskLook{all(1, 2), all(2, 1)}, [][]uint64{{1, 2}}},
		"a way to it":                 {[]asyncio.TaskLook{all(1, 2), all(2, 3), all(3, 4), all(4, 3)}, [][]uint64{{3, 4}}},
		"two ways to it":              {[]asyncio.TaskLook{all(1, 3), all(2, 1), all(3, 4), all(4, 3)}, [][]uint64{{3, 4}}},
		"a way after it":              {[]asyncio.TaskLook{all(1, 2), all(2, 1), all(3, 2)}, [][]uint64{{1, 2}}},
		"two circles":                 {[]asyncio.TaskLook{all(1, 2), all(2, 1), all(3, 4), all(4, 3)}, [][]uint64{{1, 2}, {3, 4}}},
		"one of several is stuck":     {[]asyncio.TaskLook{all(1, 2, 3), all(2, 3, 1), runs(3)}, [][]uint64{{1, 2}}},
		"one that goes on is enough":  {[]asyncio.TaskLook{one(1, 2, 3), all(2, 1), runs(3)}, nil},
		"none that goes on":           {[]asyncio.TaskLook{one(1, 2, 3), all(2, 1), all(3, 2)}, [][]uint64{{1, 2}}},
		"what has ended may be freed": {[]asyncio.TaskLook{all(1, 9), all(2, 1)}, nil},
		"nothing known":               {[]asyncio.TaskLook{all(1), one(2), all(3, 1)}, nil},
	} {
		if got := asyncio.FindCycles(c.tasks); !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSlowStepsAreExplainedByWhatWasCaughtThen(t *testing.T) {
	steps := func() []asyncio.StepLook {
		return []asyncio.StepLook{{At: 10, Took: 5}, {At: 20, Took: 5}, {At: 40, Took: 5, Task: 77}}
	}
	if got := asyncio.ExplainSlow([]time.Duration{9, 10, 16, 25, 26}, steps()); !slices.Equal(got, []uint64{2, 4, 77}) {
		t.Errorf("%v", got)
	}
	many := make([]time.Duration, 17) // the first of them is not kept
	many[0], many[1] = 10, 20
	if got := asyncio.ExplainSlow(many, steps()); !slices.Equal(got, []uint64{0, 2, 77}) {
		t.Errorf("%v", got)
	}
}

func TestALookShowsTheSocketsAndWhatTheyAreAt(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		forever := func(ctx context.Context, s *asyncio.Stream) error { return asyncio.Sleep(ctx, time.Hour) }
		srv := serve(t, ctx, forever)
		defer srv.Close()
		idle, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", forever, asyncio.WithoutServing())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		stream := dial(t, ctx, srv.Addr())
		defer stream.Close()
		asyncio.Go(ctx, srv.WaitClosed, asyncio.WithName("server"))
		reader := asyncio.Go(ctx, func(ctx context.Context) error { _, err := stream.Read(make([]byte, 1)); return err }, asyncio.WithName("reader"))
		defer func() {
			stream.Close()
			asyncio.GatherSettled(ctx, reader)
		}()
		turns(ctx, 3)
		var k *asyncio.LoopLook
		for k = look(t, ctx); k.SocketCount < 4; k = look(t, ctx) { // until the server has accepted
			asyncio.Sleep(ctx, time.Millisecond)
		}
		local, remote := stream.LocalAddr().String(), stream.RemoteAddr().String()
		for _, want := range []asyncio.SocketLook{
			{Kind: "server", State: "open", Local: srv.Addr().String()},
			{Kind: "server", State: "not serving", Local: idle.Addr().String()},
			{Kind: "connection", State: "open", Local: local, Remote: remote},
			{Kind: "connection", State: "open", Local: remote, Remote: local},
		} {
			if !slices.Contains(k.Sockets, want) {
				t.Errorf("%+v is not in %+v", want, k.Sockets)
			}
		}
		if w := taskOf(t, k, "server").Waits; w.Kind != "server" || w.Detail != "the end of "+srv.Addr().String() || w.Object == "" {
			t.Errorf("%+v", w)
		}
		if w := taskOf(t, k, "reader").Waits; w.Kind != "socket" || w.Detail != "read "+remote || w.Object == "" {
			t.Errorf("%+v", w)
		}
		l := loopOf(ctx)
		few, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
			return l.Look(ctx, time.Minute, asyncio.LookOptions{})
		})
		if err != nil || few.Sockets != nil || few.SocketCount != len(k.Sockets) {
			t.Errorf("%+v, %v", few, err)
		}
	})
}
