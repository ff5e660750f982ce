package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// On the virtual clock a wake-up that is lost is a deadlock, and the run ends
// with an error.

func TestGetOfAThreadQueueThatIsCancelledAsItIsWokenWakesAnother(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		first := asyncio.CreateTask(ctx, q.Async().Get)
		second := asyncio.CreateTask(ctx, q.Async().Get)
		asyncio.Sleep(ctx, time.Second) // both wait
		q.PutNowait(7)                  // which wakes the first
		first.Cancel()
		if _, err := first.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the first got %v", err)
		}
		if v, err := second.Await(ctx); v != 7 || err != nil {
			t.Errorf("the second got %d, %v", v, err)
		}
	})
}

func TestGetOfAThreadQueueThatIsCancelledWakesNobodyForNothing(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		tasks := []*asyncio.Task[int]{}
		for range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, q.Async().Get))
		}
		asyncio.Sleep(ctx, time.Second)
		tasks[0].Cancel() // nobody had woken it
		asyncio.Sleep(ctx, time.Second)
		q.PutNowait(1)
		if v, err := tasks[1].Await(ctx); v != 1 || err != nil {
			t.Errorf("the one that waited the longest got %d, %v", v, err)
		}
		q.PutNowait(2)
		tasks[2].Await(ctx)
	})
}

func TestPutOfAThreadQueueThatIsCancelledAsItIsWokenWakesAnother(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 1)
		q.PutNowait(0)
		put := func(v int) *asyncio.Task[struct{}] {
			return asyncio.Go(ctx, func(ctx context.Context) error { return q.Async().Put(ctx, v) })
		}
		first, second := put(1), put(2)
		asyncio.Sleep(ctx, time.Second) // both wait
		q.GetNowait()                   // which wakes the first
		first.Cancel()
		if _, err := first.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the first got %v", err)
		}
		if _, err := second.Await(ctx); err != nil {
			t.Error(err)
		}
		if v, err := q.GetNowait(); v != 2 || err != nil {
			t.Errorf("in the queue was %d, %v", v, err)
		}
	})
}

// A task of a loop that is closing cannot be woken any more: the goroutine that
// waits behind it is.
func TestItemOfAThreadQueuePassesOverTheTasksOfALoopThatCloses(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	q := asyncio.NewThreadQueue[int](l, 0)
	got := make(chan int, 1)
	asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
		err := asyncio.Sleep(ctx, 24*time.Hour) // until the loop closes
		q.PutNowait(5)
		select {
		case v := <-got:
			if v != 5 {
				t.Errorf("the goroutine got %d", v)
			}
		case <-time.After(10 * time.Second):
			t.Error("the goroutine was not woken")
		}
		return 0, err
	})
	asyncio.CreateTaskOn(l, q.Async().Get)
	goroutine := asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
		asyncio.Sleep(ctx, time.Second) // the task waits first
		job := asyncio.RunInExecutor(l, nil, func(ctx context.Context) (int, error) {
			v, err := q.Sync().Get(ctx)
			got <- v
			return v, err
		})
		asyncio.Sleep(ctx, time.Second) // which passes when the job waits
		l.Stop()
		return job.Await(ctx)
	})
	if err := l.RunUntilComplete(goroutine); !errors.Is(err, asyncio.ErrLoopStopped) {
		t.Fatal(err)
	}
	l.Close()
}

func TestJoinOfAThreadQueueThatIsCancelledLeavesTheOthersWaiting(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewThreadQueue[int](loopOf(ctx), 0)
		q.PutNowait(1)
		first, second := asyncio.Go(ctx, q.Async().Join), asyncio.Go(ctx, q.Async().Join)
		asyncio.Sleep(ctx, time.Second)
		first.Cancel()
		if _, err := first.Await(ctx); !asyncio.IsCancelled(err) || second.Done() {
			t.Errorf("the first got %v, the second is done: %t", err, second.Done())
		}
		q.TaskDone()
		if _, err := second.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}
