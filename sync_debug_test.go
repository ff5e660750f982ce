package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// In debug mode what belongs to a loop panics on another goroutine, once a task has
// waited there and it is known whose it is.
func TestLocksAndQueuesAreForTheLoopsGoroutineInDebugMode(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		lock, event, semaphore := asyncio.NewLock(), asyncio.NewEvent(), asyncio.NewSemaphore(0)
		condition := asyncio.NewCondition()
		empty, full, worked := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1), asyncio.NewQueue[int](0)
		if err := lock.Acquire(ctx); err != nil {
			return err
		}
		full.PutNowait(1)
		worked.PutNowait(1)
		var all []*asyncio.Task[struct{}]
		for _, wait := range []func(ctx context.Context) error{
			lock.Acquire, event.Wait, semaphore.Acquire, worked.Join,
			func(ctx context.Context) error {
				if err := condition.Lock().Acquire(ctx); err != nil {
					return err
				}
				defer condition.Lock().Release()
				return condition.Wait(ctx)
			},
			func(ctx context.Context) error { _, err := empty.Get(ctx); return err },
			func(ctx context.Context) error { return full.Put(ctx, 2) },
		} {
			all = append(all, asyncio.Go(ctx, wait))
		}
		turns(ctx, 3)
		for name, use := range map[string]func(){
			"Lock.Release":        lock.Release,
			"Event.Set":           event.Set,
			"Event.Clear":         event.Clear,
			"Semaphore.Release":   func() { semaphore.Release() },
			"Condition.Notify":    func() { condition.Notify(1) },
			"Condition.NotifyAll": func() { condition.NotifyAll() },
			"Queue.PutNowait":     func() { empty.PutNowait(1) },
			"Queue.GetNowait":     func() { full.GetNowait() },
			"Queue.TaskDone":      func() { worked.TaskDone() },
			"Queue.Shutdown":      func() { empty.Shutdown(true) },
		} {
			panicked, err := asyncio.ToThread(ctx, func(context.Context) (panicked error, _ error) {
				defer func() { panicked, _ = recover().(error) }()
				use()
				return nil, nil
			})
			if err != nil || !errors.Is(panicked, asyncio.ErrWrongGoroutine) {
				t.Errorf("%s on another goroutine: it panicked: %v, %v", name, panicked, err)
			}
		}
		for _, task := range all {
			if task.Done() {
				t.Error("what panicked has done something")
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Error(err)
			}
		}
		lock.Release()
		return nil
	}, asyncio.WithDebug(true))
	if err != nil {
		t.Fatal(err)
	}
}

// Who waits for all work to be done need not wait for work that is thrown away.
func TestAShutdownThatThrowsWorkAwayEndsJoin(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for name, begun := range map[string]int{"nothing begun": 0, "one begun": 1} {
			q := asyncio.NewQueue[int](0)
			for i := range 3 {
				q.PutNowait(i)
			}
			for range begun {
				q.GetNowait()
			}
			join := asyncio.Go(ctx, q.Join)
			turns(ctx, 2)
			q.Shutdown(true)
			turns(ctx, 3)
			if join.Done() != (begun == 0) {
				t.Errorf("%s: Join has ended: %v", name, join.Done())
			}
			for range begun {
				q.TaskDone()
			}
			if _, err := join.Await(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		_ = asyncio.Sleep(ctx, time.Second)
	})
}
