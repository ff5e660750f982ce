package offload

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func onLoop(t *testing.T, body func(ctx context.Context)) {
	t.Helper()
	if err := asyncio.Run(t.Context(), func(ctx context.Context) error { body(ctx); return nil }); err != nil {
		t.Error(err)
	}
}

func TestWhatWasMadeForACancelledCallerIsDisposedOf(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	begun, goOn, disposed := make(chan struct{}), make(chan struct{}), make(chan int, 1)
	onLoop(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := Do(ctx, e, func(context.Context) (int, error) {
				close(begun)
				<-goOn
				return 42, nil
			}, func(v int) { disposed <- v })
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		_, _ = asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), begun).Await(ctx)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the call ended with %v", err)
		}
		close(goOn)
		if v, err := asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), disposed).Await(ctx); v != 42 || err != nil {
			t.Errorf("disposed of: %v, %v", v, err)
		}
	})
	_ = e.Shutdown(t.Context())
}

// The value is there when the cancellation comes: in the same turn of the loop.
func TestAValueThatNobodyTakesIsDisposedOf(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	disposed := make(chan int, 1)
	onLoop(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := Do(ctx, e, func(context.Context) (int, error) { return 42, nil }, func(v int) { disposed <- v })
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		//asyncvet:ignore blocking the job ends, and the loop is not to hear of it yet
		_ = e.Shutdown(context.Background())
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the call ended with %v", err)
		}
		if v, err := asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), disposed).Await(ctx); v != 42 || err != nil {
			t.Errorf("disposed of: %v, %v", v, err)
		}
	})
}

func TestAnEndedContextEndsTheWaitAndTheFunction(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	ended := make(chan error, 1)
	onLoop(t, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		_, err := Do(ctx, e, func(ctx context.Context) (int, error) {
			cancel()
			<-ctx.Done()
			ended <- ctx.Err()
			return 0, ctx.Err()
		}, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
	})
	if err := <-ended; err == nil {
		t.Error("the function's context had not ended")
	}
	_ = e.Shutdown(t.Context())
}

func TestWhatMustBeDoneIsDoneForACancelledCallerToo(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	goOn, done := make(chan struct{}), make(chan struct{}, 3)
	must := func() error { done <- struct{}{}; return nil }
	onLoop(t, func(ctx context.Context) {
		_ = e.Submit(ctx, func(context.Context) { <-goOn })
		queued := asyncio.Go(ctx, func(ctx context.Context) error { return Always(ctx, e, must) })
		_ = asyncio.Sleep(ctx, 0)
		queued.Cancel()
		if _, err := queued.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("a wait that was cut off: %v", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := Always(ended, e, must); !errors.Is(err, context.Canceled) {
			t.Errorf("without a wait: %v", err)
		}
		close(goOn)
		if err := Always(ctx, e, must); err != nil {
			t.Error(err)
		}
	})
	for range 3 {
		<-done
	}
	_ = e.Shutdown(t.Context())
	if len(done) > 0 {
		t.Error("it was done more than once")
	}
}

func TestWhatAnExecutorDoesNotTakeIsRunAllTheSame(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	_ = e.Shutdown(t.Context())
	done := make(chan struct{})
	Submit(e, func() { close(done) })
	<-done
}
