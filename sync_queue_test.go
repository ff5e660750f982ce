package asyncio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

func TestQueuesGiveTheirItemsInTheirOrder(t *testing.T) {
	type item struct{ priority, n int }
	queues := map[string]struct {
		q    *asyncio.Queue[item]
		want []int
	}{
		"first in first out": {asyncio.NewQueue[item](0), []int{0, 1, 2, 3, 4}},
		"zero value":         {new(asyncio.Queue[item]), []int{0, 1, 2, 3, 4}},
		"last in first out":  {asyncio.NewLIFOQueue[item](0), []int{4, 3, 2, 1, 0}},
		"by priority, equal ones as they came": {
			asyncio.NewPriorityQueue(0, func(a, b item) bool { return a.priority < b.priority }), []int{1, 3, 4, 0, 2}},
	}
	for name, c := range queues {
		t.Run(name, func(t *testing.T) {
			for i, p := range []int{2, 1, 2, 1, 1} {
				if err := c.q.PutNowait(item{p, i}); err != nil {
					t.Fatal(err)
				}
			}
			var got []int
			for !c.q.Empty() {
				v, err := c.q.GetNowait()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, v.n)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			_, err := c.q.GetNowait()
			wantErr(t, err, asyncio.ErrQueueEmpty)
		})
	}
}

func TestPriorityQueueSorts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.SliceOf(rapid.IntRange(0, 9)).Draw(rt, "items")
		q := asyncio.NewPriorityQueue(0, cmp.Less[int])
		var out []int
		for _, v := range in {
			_ = q.PutNowait(v)
		}
		for range in {
			v, _ := q.GetNowait()
			out = append(out, v)
		}
		if slices.Sort(in); !slices.Equal(in, out) {
			rt.Fatalf("got %v, want %v", out, in)
		}
	})
}

func TestPutWaitsForRoom(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](1)
		_ = q.Put(ctx, 1)
		wantErr(t, q.PutNowait(2), asyncio.ErrQueueFull)
		put := asyncio.Go(ctx, func(ctx context.Context) error { return q.Put(ctx, 2) })
		_ = asyncio.Sleep(ctx, time.Second)
		if put.Done() || !q.Full() {
			t.Error("it did not wait")
		}
		v, err := q.Get(ctx)
		_, perr := put.Await(ctx)
		if v != 1 || err != nil || perr != nil || q.Len() != 1 || q.Max() != 1 {
			t.Error(v, err, perr)
		}
	})
}

func TestGettersAreServedInOrder(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		var all []asyncio.Awaiter[int]
		for range 3 {
			all = append(all, asyncio.CreateTask(ctx, q.Get))
		}
		turns(ctx, 1)
		for i := range 3 {
			_ = q.PutNowait(i)
		}
		got, err := asyncio.Gather(ctx, all...)
		if err != nil || !slices.Equal(got, []int{0, 1, 2}) {
			t.Error(got, err)
		}
	})
}

// An item comes in the turn in which the time is up. CPython: bpo-42130 and
// others about wait_for(queue.get()).
func TestNoItemIsLostWhenAGetTimesOut(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[string](0)
		loopOf(ctx).CallLater(time.Second, func() { _ = q.PutNowait("item") })
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			_, err := q.Get(ctx)
			return err
		})
		wantTimeout(t, err)
		if v, err := q.GetNowait(); v != "item" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

func TestCancelledGetPassesItsItemOn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		first := asyncio.CreateTask(ctx, q.Get)
		second := asyncio.CreateTask(ctx, q.Get)
		turns(ctx, 1)
		_ = q.PutNowait(7)
		first.CancelCause(errors.New("stop"))
		if v, err := second.Await(ctx); v != 7 || err != nil {
			t.Error(v, err)
		}
		wantCancelled(t, first.Err(), "stop")
	})
}

func TestCancelledPutPassesItsRoomOn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](1)
		_ = q.Put(ctx, 0)
		put := func(v int) *asyncio.Task[struct{}] {
			return asyncio.Go(ctx, func(ctx context.Context) error { return q.Put(ctx, v) })
		}
		first, second := put(1), put(2)
		turns(ctx, 1)
		_, _ = q.GetNowait()
		first.Cancel()
		if _, err := second.Await(ctx); err != nil || !first.Cancelled() {
			t.Error(err)
		}
		if v, err := q.GetNowait(); v != 2 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestJoinWaitsUntilAllItemsAreDone(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		if err := q.Join(ctx); err != nil {
			t.Error(err)
		}
		for i := range 3 {
			_ = q.PutNowait(i)
		}
		done := 0
		asyncio.Go(ctx, func(ctx context.Context) error {
			for _, err := range q.All(ctx) {
				if err != nil {
					return err
				}
				_ = asyncio.Sleep(ctx, time.Second)
				done++
				q.TaskDone()
			}
			return nil
		})
		if err := q.Join(ctx); err != nil || done != 3 || now(ctx) != 3*time.Second || q.Unfinished() != 0 {
			t.Error(err, done, now(ctx))
		}
		wantMisuse(t, asyncio.ErrTaskDoneTooOften, q.TaskDone)
	})
}

func TestShutdownLetsTheItemsThatAreLeftOut(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](2)
		_, _ = q.PutNowait(1), q.PutNowait(2)
		put := asyncio.Go(ctx, func(ctx context.Context) error { return q.Put(ctx, 3) })
		turns(ctx, 1)
		q.Shutdown(false)
		_, err := put.Await(ctx)
		wantErr(t, err, asyncio.ErrQueueShutdown)
		var got []int
		for v, err := range q.All(ctx) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
		}
		if !slices.Equal(got, []int{1, 2}) {
			t.Error(got)
		}
		_, err = q.Get(ctx)
		wantErr(t, err, asyncio.ErrQueueShutdown)
		_, err = q.GetNowait()
		wantErr(t, err, asyncio.ErrQueueShutdown)
		wantErr(t, q.PutNowait(4), asyncio.ErrQueueShutdown)
		wantErr(t, q.Put(ctx, 4), asyncio.ErrQueueShutdown)
	})
}

func TestImmediateShutdownDropsTheItemsAndEndsAllWaits(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		get := asyncio.CreateTask(ctx, q.Get)
		turns(ctx, 1)
		_, _ = q.PutNowait(1), q.PutNowait(2)
		join := asyncio.Go(ctx, q.Join)
		turns(ctx, 1)
		if v, err := get.Await(ctx); v != 1 || err != nil {
			t.Error(v, err)
		}
		get = asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { _, _ = q.Get(ctx); return q.Get(ctx) })
		turns(ctx, 1)
		q.Shutdown(true)
		_, err := get.Await(ctx)
		wantErr(t, err, asyncio.ErrQueueShutdown)
		q.TaskDone() // of the item that was taken out; the other was dropped
		wantMisuse(t, asyncio.ErrTaskDoneTooOften, func() { q.TaskDone(); q.TaskDone() })
		if _, err := join.Await(ctx); err != nil || !q.Empty() {
			t.Error(err)
		}
	})
}

// Producers and consumers are cancelled at random: what a Put that succeeded
// has put is got once, or is there in the end, in its order.
func TestQueueLosesNoItemUnderRandomCancels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := random{rt}
		holds(rt, func(ctx context.Context) error {
			q := asyncio.NewQueue[int](r.upTo(2))
			var put, got []int
			next, getting, putting := 0, 0, 0
			// So that all end: makes room for those who wait to put, and returns
			// something to those who wait to get, but only where they must wait.
			helper := asyncio.Go(ctx, func(ctx context.Context) error {
				for {
					if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
					switch {
					case putting > 0 && q.Full():
						v, _ := q.GetNowait()
						got = append(got, v)
					case getting > 0 && q.Empty():
						_ = q.PutNowait(-1)
						put = append(put, -1)
					}
				}
			})
			err := cancelRandomly(ctx, r, func(ctx context.Context) error {
				if r.upTo(1) == 0 {
					getting++
					defer func() { getting-- }()
					v, err := q.Get(ctx)
					if err == nil {
						got = append(got, v)
					}
					return err
				}
				v := next
				next++
				putting++
				defer func() { putting-- }()
				err := q.Put(ctx, v)
				if err == nil {
					put = append(put, v)
				}
				return err
			})
			helper.Cancel()
			for !q.Empty() {
				v, _ := q.GetNowait()
				got = append(got, v)
			}
			slices.Sort(put)
			slices.Sort(got)
			if err == nil && !slices.Equal(put, got) {
				err = fmt.Errorf("put %v, got %v", put, got)
			}
			return err
		})
	})
}
