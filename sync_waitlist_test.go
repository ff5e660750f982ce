package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestAWaiterThatIsCancelledAsTheNewsComeTakesNobodyAlong(t *testing.T) {
	for cancelled := range 3 {
		inVirtualTime(t, func(ctx context.Context) {
			var list asyncio.WaitList
			var tasks []*asyncio.Task[struct{}]
			for range 3 {
				tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, list.Wait(ctx) }))
			}
			asyncio.Sleep(ctx, 0)
			if list.Len() != 3 {
				t.Fatalf("%d wait", list.Len())
			}
			tasks[cancelled].Cancel()
			list.Fire(errBoom) // the cancelled one has not run yet
			for i, task := range tasks {
				_, err := task.Await(ctx)
				if i == cancelled && !asyncio.IsCancelled(err) || i != cancelled && err != errBoom {
					t.Errorf("%d was cancelled; %d: %v", cancelled, i, err)
				}
			}
			if list.Len() != 0 {
				t.Errorf("%d wait still", list.Len())
			}
		})
	}
}

func TestAWaiterThatGoesLeavesTheList(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var list asyncio.WaitList
		wantTimeout(t, asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error { return list.Wait(ctx) }))
		if list.Len() != 0 {
			t.Errorf("%d wait", list.Len())
		}
		stays := asyncio.Go(ctx, func(ctx context.Context) error { return list.Wait(ctx) })
		asyncio.Sleep(ctx, 0)
		list.Fire(nil)
		if _, err := stays.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}
