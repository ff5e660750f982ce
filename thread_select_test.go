package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

func TestSelectDoesTheFirstThatCanBeDone(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		full, empty, stocked := asyncio.NewQueue[int](1), asyncio.NewQueue[int](0), asyncio.NewQueue[int](0)
		full.PutNowait(0)
		stocked.PutNowait(7)
		shut := asyncio.NewQueue[int](0)
		shut.Shutdown(false)
		never, ready := make(chan int), make(chan int, 1)
		ready <- 8
		closed := make(chan int)
		close(closed)
		room := make(chan int, 1)
		set := asyncio.NewEvent()
		set.Set()
		done := asyncio.NewFuture[int](l)
		done.SetError(errBoom)
		done.Err()
		var item, received int
		idle := func() []asyncio.SelectCase {
			return []asyncio.SelectCase{asyncio.OnGet(empty, &item), asyncio.OnPut(full, 1), asyncio.OnSet(asyncio.NewEvent()), asyncio.OnReceive(never, nil), asyncio.OnSend(never, 1), asyncio.OnDone(asyncio.NewFuture[int](l)), asyncio.OnTimeout(time.Hour)}
		}
		for name, c := range map[string]struct {
			ready asyncio.SelectCase
			err   error
			check func() bool
		}{
			"a queue":             {asyncio.OnGet(stocked, &item), nil, func() bool { return item == 7 && stocked.Empty() }},
			"a queue with room":   {asyncio.OnPut(stocked, 9), nil, func() bool { v, err := stocked.GetNowait(); return v == 9 && err == nil }},
			"a queue shut down":   {asyncio.OnGet(shut, &item), asyncio.ErrQueueShutdown, nil},
			"put into such":       {asyncio.OnPut(shut, 1), asyncio.ErrQueueShutdown, nil},
			"an event":            {asyncio.OnSet(set), nil, nil},
			"a future":            {asyncio.OnDone(done), nil, nil},
			"a channel":           {asyncio.OnReceive(ready, &received), nil, func() bool { return received == 8 }},
			"a channel closed":    {asyncio.OnReceive(closed, &received), asyncio.ErrChannelClosed, nil},
			"a channel with room": {asyncio.OnSend(room, 5), nil, func() bool { return <-room == 5 }},
			"no time":             {asyncio.OnTimeout(0), nil, nil},
		} {
			cases := append(idle(), c.ready)
			if name == "a queue with room" { // else the item of the queue is looked for first
				stocked = asyncio.NewQueue[int](0)
				cases[len(cases)-1] = asyncio.OnPut(stocked, 9)
			}
			i, err := asyncio.Select(ctx, cases...)
			if i != len(cases)-1 || !errors.Is(err, c.err) || err == nil != (c.err == nil) || c.check != nil && !c.check() {
				t.Errorf("%s: %d, %v, item %d, received %d", name, i, err, item, received)
			}
		}
	})
}

func TestSelectWaitsForWhatComesFirst(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for name, come := range map[string]func(q *asyncio.Queue[string], full *asyncio.Queue[int], in chan string, out chan string, e *asyncio.Event, f *asyncio.Future[int]){
			"get": func(q *asyncio.Queue[string], _ *asyncio.Queue[int], _, _ chan string, _ *asyncio.Event, _ *asyncio.Future[int]) {
				q.PutNowait("get")
			},
			"put": func(_ *asyncio.Queue[string], full *asyncio.Queue[int], _, _ chan string, _ *asyncio.Event, _ *asyncio.Future[int]) {
				full.GetNowait()
			},
			"receive": func(_ *asyncio.Queue[string], _ *asyncio.Queue[int], in, _ chan string, _ *asyncio.Event, _ *asyncio.Future[int]) {
				go func() { in <- "receive" }()
			},
			"send": func(_ *asyncio.Queue[string], _ *asyncio.Queue[int], _, out chan string, _ *asyncio.Event, _ *asyncio.Future[int]) {
				go func() { <-out }()
			},
			"set": func(_ *asyncio.Queue[string], _ *asyncio.Queue[int], _, _ chan string, e *asyncio.Event, _ *asyncio.Future[int]) {
				e.Set()
			},
			"done": func(_ *asyncio.Queue[string], _ *asyncio.Queue[int], _, _ chan string, _ *asyncio.Event, f *asyncio.Future[int]) {
				f.SetResult(1)
			},
		} {
			q, full, in, out, e, f := asyncio.NewQueue[string](0), asyncio.NewQueue[int](1), make(chan string), make(chan string), asyncio.NewEvent(), asyncio.NewFuture[int](l)
			full.PutNowait(1)
			l.CallLater(time.Millisecond, func() { come(q, full, in, out, e, f) })
			var item, received string
			names := []string{"get", "put", "receive", "send", "set", "done"}
			i, err := asyncio.Select(ctx, asyncio.OnGet(q, &item), asyncio.OnPut(full, 2), asyncio.OnReceive(in, &received), asyncio.OnSend(out, "sent"), asyncio.OnSet(e), asyncio.OnDone(f), asyncio.OnTimeout(time.Minute))
			if err != nil || i >= len(names) || names[i] != name {
				t.Errorf("%s: %d, %v", name, i, err)
			}
			if name == "get" && item != name || name == "receive" && received != name || full.Len() != 1 || !q.Empty() {
				t.Errorf("%s: item %q, received %q", name, item, received)
			}
		}
	})
}

func TestSelectEndsWithItsTimeAndWithItsTask(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		began := loopOf(ctx).Time()
		if i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnTimeout(time.Hour)); i != 1 || err != nil || loopOf(ctx).Time()-began != time.Hour {
			t.Errorf("%d, %v after %v", i, err, loopOf(ctx).Time()-began)
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil))
			if i != -1 {
				t.Error(i)
			}
			return err
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		q.PutNowait(1) // in the same turn: the item stays
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || q.Len() != 1 {
			t.Errorf("%v, %d items", err, q.Len())
		}
		if i, err := asyncio.Select(ctx); i != -1 || err == nil {
			t.Errorf("of nothing: %d, %v", i, err)
		}
		if i, err := asyncio.Select(t.Context(), asyncio.OnGet(q, nil)); i != -1 || !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("without a loop: %d, %v", i, err)
		}
		other := newLoop(t)
		defer other.Close()
		if i, err := asyncio.Select(ctx, asyncio.OnDone(asyncio.NewFuture[int](other))); i != -1 || !errors.Is(err, asyncio.ErrWrongLoop) {
			t.Errorf("of another loop: %d, %v", i, err)
		}
	})
}

func TestSelectHandsOnWhatItDoesNotTake(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q, e := asyncio.NewQueue[int](0), asyncio.NewEvent()
		first := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.Select(ctx, asyncio.OnSet(e), asyncio.OnGet(q, nil))
		})
		second := asyncio.CreateTask(ctx, q.Get)
		asyncio.Sleep(ctx, 0)
		q.PutNowait(5) // wakes the first
		e.Set()        // which prefers this
		if i, err := first.Await(ctx); i != 0 || err != nil {
			t.Errorf("%d, %v", i, err)
		}
		if v, err := second.Await(ctx); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

// What tasks select from queues and channels, while some of them are cancelled, comes out
// once each, and out of a queue in its order.
func TestSelectLosesNothingAndTakesNothingTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "items")
		takers := rapid.IntRange(1, 4).Draw(rt, "takers")
		cancels := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 20).Draw(rt, "cancels")
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			a, b := asyncio.NewQueue[int](2), asyncio.NewQueue[int](0)
			ch, stop := make(chan int), make(chan struct{})
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				for i := range n {
					select {
					case ch <- 2000 + i:
					case <-stop:
						return
					}
				}
			}()
			var got [3][]int
			count := 0
			take := func(ctx context.Context) error {
				var x, y, z int
				i, err := asyncio.Select(ctx, asyncio.OnGet(a, &x), asyncio.OnReceive(ch, &z), asyncio.OnGet(b, &y))
				if err != nil {
					return err
				}
				got[i] = append(got[i], []int{x, z, y}[i])
				count++
				return nil
			}
			put := asyncio.Go(ctx, func(ctx context.Context) error {
				for i := range n {
					if _, err := asyncio.Select(ctx, asyncio.OnPut(a, i)); err != nil {
						return err
					}
					b.PutNowait(1000 + i)
				}
				return nil
			})
			for turn := 0; count < 3*n; turn++ {
				var tasks []*asyncio.Task[struct{}]
				for range takers {
					tasks = append(tasks, asyncio.Go(ctx, take))
				}
				asyncio.Sleep(ctx, 0)
				if turn < len(cancels) && cancels[turn] < len(tasks) {
					tasks[cancels[turn]].Cancel()
				}
				asyncio.Sleep(ctx, 0)
				if 3*n-count < takers || turn < len(cancels) {
					for _, task := range tasks {
						task.Cancel()
					}
				}
				asyncio.GatherSettled(ctx, tasks...)
			}
			close(stop)
			<-gone
			slices.Sort(got[1]) // several goroutines may wait for the channel
			for i := range got {
				if len(got[i]) != n || !slices.IsSorted(got[i]) || len(slices.Compact(got[i])) != n {
					return fmt.Errorf("of source %d came %v", i, got[i])
				}
			}
			_, err := put.Await(ctx)
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
