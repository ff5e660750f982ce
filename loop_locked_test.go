package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// onLockedThread runs fn on a goroutine that is locked to its thread, as those
// of graphical programs are.
func onLockedThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		fn()
	}()
	<-done
}

func TestLoopRunsOnLockedThread(t *testing.T) {
	onLockedThread(func() {
		sum, err := asyncio.RunValue(t.Context(), func(ctx context.Context) (int, error) {
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return 1, asyncio.Sleep(ctx, 0)
			})
			two, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 2, nil })
			if err != nil {
				return 0, err
			}
			one, err := task.Await(ctx)
			return one + two, err
		})
		if sum != 3 || err != nil {
			t.Errorf("got %d, %v", sum, err)
		}
	})
}

func TestTaskThatWouldNotEndIsUnwoundOnLockedThread(t *testing.T) {
	onLockedThread(func() {
		l, err := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
		if err != nil {
			t.Error(err)
			return
		}
		deferred := false
		task := asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
			defer func() { deferred = true }()
			l.Stop()
			for {
				_ = asyncio.Sleep(ctx, 0) //asyncvet:ignore swallow the run ends in another way
			}
		})
		if err := l.RunForever(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if !deferred || !errors.Is(task.Err(), asyncio.ErrGoexit) {
			t.Errorf("its defers ran: %v; its error is %v", deferred, task.Err())
		}
	})
}
