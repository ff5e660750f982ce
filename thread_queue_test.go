package asyncio_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestThreadQueueBringsItemsBothWaysInOrder(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		in, out := asyncio.NewThreadQueue[int](l, 3), asyncio.NewThreadQueue[int](l, 3)
		echo := asyncio.RunInExecutor(l, nil, func(ctx context.Context) (int, error) {
			n := 0
			for v, err := range in.Sync().All(ctx) {
				if err != nil {
					return n, err
				}
				if err := out.Sync().Put(ctx, v); err != nil {
					return n, err
				}
				n++
			}
			out.Shutdown(false)
			return n, nil
		})
		asyncio.Go(ctx, func(ctx context.Context) error {
			for i := range 1000 {
				if err := in.Async().Put(ctx, i); err != nil {
					t.Error(err)
				}
			}
			in.Shutdown(false)
			return nil
		})
		var got []int
		for v, err := range out.Async().All(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if n, err := echo.Await(ctx); n != 1000 || err != nil || len(got) != 1000 || !slices.IsSorted(got) {
			t.Errorf("%d items came back, %d, %v", len(got), n, err)
		}
	})
}

func TestThreadQueueWithManyOnBothSidesLosesNothing(t *testing.T) {
	const each = 300
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		q := asyncio.NewThreadQueue[int](l, 2)
		var mu sync.Mutex
		sum, n := 0, 0
		got := func(v int) {
			mu.Lock()
			defer mu.Unlock()
			sum += v
			n++
			q.TaskDone()
		}
		var ends []asyncio.Awaiter[struct{}]
		var puts []asyncio.Awaiter[struct{}]
		for range 3 {
			puts = append(puts, asyncio.Go(ctx, func(ctx context.Context) error {
				for i := range each {
					if err := q.Async().Put(ctx, i); err != nil {
						return err
					}
				}
				return nil
			}), asyncio.WrapFuture(l, func(ctx context.Context) (struct{}, error) {
				for i := range each {
					if err := q.Sync().Put(ctx, i); err != nil {
						return struct{}{}, err
					}
				}
				return struct{}{}, nil
			}))
			ends = append(ends, asyncio.Go(ctx, func(ctx context.Context) error {
				for {
					// Waits that are cut off all the time must not swallow items.
					var v int
					err := asyncio.Timeout(ctx, 50*time.Microsecond, func(ctx context.Context) (err error) {
						v, err = q.Async().Get(ctx)
						return err
					})
					var timeout *asyncio.TimeoutError
					switch {
					case errors.As(err, &timeout):
					case err == asyncio.ErrQueueShutdown:
						return nil
					case err != nil:
						return err
					default:
						got(v)
					}
				}
			}), asyncio.WrapFuture(l, func(ctx context.Context) (struct{}, error) {
				for {
					short, cancel := context.WithTimeout(ctx, 50*time.Microsecond)
					v, err := q.Sync().Get(short)
					cancel()
					switch {
					case err == context.DeadlineExceeded:
					case err == asyncio.ErrQueueShutdown:
						return struct{}{}, nil
					case err != nil:
						return struct{}{}, err
					default:
						got(v)
					}
				}
			}))
		}
		if _, err := asyncio.Gather(ctx, puts...); err != nil {
			t.Error(err)
		}
		if err := q.Async().Join(ctx); err != nil {
			t.Error(err)
		}
		q.Shutdown(false)
		if _, err := asyncio.Gather(ctx, ends...); err != nil {
			t.Error(err)
		}
		if n != 6*each || sum != 6*each*(each-1)/2 {
			t.Errorf("%d items came, whose sum is %d", n, sum)
		}
	})
}

func TestThreadQueueOnTheVirtualClock(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		q := asyncio.NewThreadQueue[int](l, 0)
		job := asyncio.RunInExecutor(l, nil, func(ctx context.Context) (int, error) { return q.Sync().Get(ctx) })
		if err := asyncio.Sleep(ctx, time.Hour); err != nil { // the job waits for us, not we for it
			t.Error(err)
		}
		q.PutNowait(8)
		if v, err := job.Await(ctx); v != 8 || err != nil || l.Time() != time.Hour {
			t.Errorf("the job got %d, %v at %v", v, err, l.Time())
		}
	})
}

func TestThreadQueueEndsItsWaits(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		q := asyncio.NewThreadQueue[int](l, 1)
		if err := q.Sync().Put(ctx, 1); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("the side for goroutines in a task: %v", err)
		}
		if err := errors.Join(q.PutNowait(1)); err != nil || q.Len() != 1 || q.Max() != 1 || q.PutNowait(2) != asyncio.ErrQueueFull {
			t.Errorf("%d of %d, %v", q.Len(), q.Max(), err)
		}
		putter := asyncio.Go(ctx, func(ctx context.Context) error { return q.Async().Put(ctx, 2) })
		blocked := asyncio.WrapFuture(l, func(ctx context.Context) (int, error) { return 0, q.Sync().Put(ctx, 3) })
		joiner := asyncio.Go(ctx, q.Async().Join)
		wrong, err := asyncio.ToThread(ctx, func(context.Context) (error, error) { return q.Async().Put(ctx, 4), nil })
		if !errors.Is(wrong, asyncio.ErrWrongGoroutine) || err != nil {
			t.Errorf("the side for tasks in a goroutine: %v", wrong)
		}
		q.Shutdown(true)
		for _, f := range []interface {
			asyncio.Awaitable
		}{putter, blocked} {
			asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, f)
			if err := f.Err(); err != asyncio.ErrQueueShutdown {
				t.Errorf("a put that waited gave %v", err)
			}
		}
		if _, err := joiner.Await(ctx); err != nil {
			t.Errorf("Join gave %v", err)
		}
		if _, err := q.GetNowait(); err != asyncio.ErrQueueShutdown {
			t.Errorf("GetNowait gave %v", err)
		}
		defer func() {
			if _, ok := recover().(*asyncio.MisuseError); !ok {
				t.Error("TaskDone did not panic")
			}
		}()
		q.TaskDone()
	})
}

func TestClosedLoopEndsTheGoroutinesOfAThreadQueue(t *testing.T) {
	l := newLoop(t)
	q := asyncio.NewThreadQueue[int](l, 1)
	got := make(chan error)
	go func() { _, err := q.Sync().Get(context.Background()); got <- err }()
	l.Close()
	if err := <-got; !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("got %v", err)
	}
}
