package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestASleepAmongOtherWaitsEndsAfterItsTimeOrWithItsContext(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := loopOf(ctx)
		began := l.Time()
		if err := asyncio.SleepWithin(ctx, time.Second); err != nil || l.Time() != began+time.Second {
			t.Errorf("it has slept %v, %v", l.Time()-began, err)
		}
		limited, cancel := context.WithCancel(ctx)
		if err := asyncio.SleepWithin(limited, time.Second); err != nil || l.Time() != began+2*time.Second {
			t.Errorf("with a context it has slept %v, %v", l.Time()-began, err)
		}
		l.CallLater(time.Second, cancel)
		if err := asyncio.SleepWithin(limited, time.Hour); !errors.Is(err, context.Canceled) || l.Time() != began+3*time.Second {
			t.Errorf("after the end of its context it has slept %v, %v", l.Time()-began, err)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Error(err)
	}
}

func TestAFunctionThatWaitsAgainWhileTheLoopClosesIsRefused(t *testing.T) {
	l := must(asyncio.NewLoop(asyncio.WithVirtualClock()))
	f := asyncio.NewFuture[int](l)
	var errs [2]error
	asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
		errs = asyncio.AwaitTwice(ctx, f)
		return 0, nil
	})
	l.CallSoon(l.Stop)
	if err := errors.Join(l.RunForever(), l.Close()); err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if !errors.Is(err, asyncio.ErrLoopClosed) {
			t.Errorf("wait %d ended with %v", i, err)
		}
	}
}
