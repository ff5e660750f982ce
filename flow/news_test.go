package flow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
	"github.com/asyncio-go/asyncio/flow"
)

// A broadcast and a watch are cases of a Select: what is there already, what comes during the
// wait, what has come between the making of the case and the wait, and an end.
func TestSelectWaitsForNews(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		b, w := flow.NewBroadcast[int](2), flow.NewWatch("a")
		r, x := b.Subscribe(), w.Watcher()
		wait := func(want int, cases ...asyncio.SelectCase) {
			t.Helper()
			i, err := asyncio.Select(ctx, append(cases, asyncio.OnTimeout(time.Minute))...)
			if i != want || err != nil {
				t.Errorf("case %d, %v; want case %d", i, err, want)
			}
		}
		wait(1, r.OnNews(), x.OnNews()) // the first value of a watch is news
		x.Next(ctx)
		wait(2, r.OnNews(), x.OnNews())
		flow.After(ctx, time.Second, func() { b.Send(1) })
		wait(0, r.OnNews(), x.OnNews())
		wait(0, r.OnNews(), x.OnNews()) // it was not received
		if v, _, err := r.Receive(ctx); v != 1 || err != nil {
			t.Error(v, err)
		}
		flow.After(ctx, time.Second, func() { w.Set("b") })
		wait(1, r.OnNews(), x.OnNews())
		if v, err := x.Next(ctx); v != "b" || err != nil {
			t.Error(v, err)
		}
		before := []asyncio.SelectCase{r.OnNews(), x.OnNews()}
		w.Set("c")
		wait(1, before...)
		x.Next(ctx)
		b.Close()
		wait(0, r.OnNews(), x.OnNews())
		if _, _, err := r.Receive(ctx); !errors.Is(err, flow.ErrClosed) {
			t.Error(err)
		}
	})
}

// Several wait for the same news, one of them is cancelled.
func TestNewsReachAllThatWait(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		b := flow.NewBroadcast[int](2)
		var tasks []*asyncio.Task[int]
		for range 3 {
			r := b.Subscribe()
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				v, _, err := r.Receive(ctx)
				return v, err
			}))
		}
		asyncio.Sleep(ctx, 0)
		tasks[0].Cancel()
		b.Send(7)
		for i, task := range tasks {
			if v, err := task.Await(ctx); asyncio.IsCancelled(err) != (i == 0) || i > 0 && v != 7 {
				t.Errorf("%d: %d, %v", i, v, err)
			}
		}
	})
}

func TestZeroValuesOfBroadcastAndWatch(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		var b flow.Broadcast[int]
		r := b.Subscribe()
		if r.Len() != 0 {
			t.Error(r.Len())
		}
		b.Send(1)
		b.Send(2)
		if v, missed, err := r.Receive(ctx); v != 2 || missed != 1 || err != nil {
			t.Error(v, missed, err)
		}
		var w flow.Watch[int]
		x := w.Watcher()
		if x.Changed() {
			t.Error("there is a value before the first")
		}
		flow.After(ctx, time.Second, func() { w.Set(3) })
		if v, err := x.Next(ctx); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}
