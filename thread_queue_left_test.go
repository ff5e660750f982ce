//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A wait that is cut off leaves nothing in the queue, be it of a task or of a goroutine.
func TestWhoGivesUpWaitingForAThreadQueueIsForgotten(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		full, empty := asyncio.NewThreadQueue[int](l, 1), asyncio.NewThreadQueue[int](l, 0)
		if err := full.PutNowait(1); err != nil {
			t.Fatal(err)
		}
		waiting := func() (n int) {
			for _, q := range []*asyncio.ThreadQueue[int]{full, empty} {
				g, p, j := q.Waiting()
				n += g + p + j
			}
			return n
		}
		for what, wait := range map[string][2]func(context.Context) error{
			"get":  {func(ctx context.Context) error { return errorOf(empty.Async().Get(ctx)) }, func(ctx context.Context) error { return errorOf(empty.Sync().Get(ctx)) }},
			"put":  {func(ctx context.Context) error { return full.Async().Put(ctx, 2) }, func(ctx context.Context) error { return full.Sync().Put(ctx, 2) }},
			"join": {full.Async().Join, full.Sync().Join},
		} {
			task := asyncio.Go(ctx, wait[0])
			ending, cancel := context.WithCancel(context.Background())
			goroutine := make(chan error, 1)
			go func() { goroutine <- wait[1](ending) }()
			eventually(t, ctx, "both wait to "+what, func() bool { return waiting() == 2 })
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("%s: %v", what, err)
			}
			cancel()
			if err := <-goroutine; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
			if n := waiting(); n != 0 {
				t.Errorf("%s: %d are left", what, n)
			}
		}
	})
}

// A Select that does another case leaves nothing with the event it has waited for.
func TestSelectThatWasWokenByAnotherLeavesTheEvent(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		e := asyncio.NewEvent()
		if i, err := asyncio.Select(ctx, asyncio.OnSet(e), asyncio.OnTimeout(1)); i != 1 || err != nil {
			t.Error(i, err)
		}
		if n := e.Waiters(); n != 0 {
			t.Errorf("%d wait for it", n)
		}
	})
}

// A cancellation beside a channel that has acted already is the next wait's.
func TestSelectKeepsACancellationThatCameTooLate(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan int)
		var value int
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			i, err := asyncio.Select(ctx, asyncio.OnReceive(ch, &value))
			if err != nil {
				return i, err
			}
			return i, asyncio.Sleep(ctx, 0)
		})
		turns(ctx, 2)
		ch <- 7 // which its goroutine takes; the loop does not come to hear of it
		task.CancelCause(errBoom)
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || !errors.Is(err, errBoom) || value != 7 {
			t.Errorf("%v, and it received %d", err, value)
		}
	})
}

// Who has enough leaves the loop over the items, and the others stay.
func TestLoopsOverAThreadQueueMayBeLeft(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		for i := range 4 {
			if err := q.PutNowait(i); err != nil {
				t.Fatal(err)
			}
		}
		for v, err := range q.Async().All(ctx) {
			if v != 0 || err != nil {
				t.Error(v, err)
			}
			break
		}
		first, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			for v, err := range q.Sync().All(ctx) {
				return v, err
			}
			return -1, nil
		})
		if first != 1 || err != nil || q.Len() != 2 {
			t.Errorf("%d, %v, and %d are left", first, err, q.Len())
		}
	})
}
