package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestTheSystemDriverSaysThatItIsInABubble(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only epoll cannot wait in a bubble")
	}
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]asyncio.Option{nil, {asyncio.WithSystemDriver(), asyncio.WithVirtualClock()}} {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }, opts...)
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "use WithVirtualClock or WithPortableDriver") {
				t.Errorf("Run gives %v", err)
			}
		}
	})
}

func TestPortableDriverGoesByTheTimeOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			limited, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			if err := asyncio.Sleep(limited, 2*time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a derived deadline gives %v", err)
			}
			return nil
		}, asyncio.WithPortableDriver())
		if took := time.Since(began); took != time.Hour || err != nil {
			t.Errorf("it took %v and gave %v", took, err)
		}
	})
}

func TestALoopThatHasRunCannotGoOnInABubble(t *testing.T) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
	if err := runSome(r); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for what, err := range map[string]error{"a run": runSome(r), "Close": r.Close()} {
			if !errors.Is(err, asyncio.ErrWrongGoroutine) || !strings.Contains(err.Error(), "bubble") {
				t.Errorf("%s in a bubble gives %v", what, err)
			}
		}
	})
	if err := errors.Join(runSome(r), r.Close()); err != nil {
		t.Errorf("outside again: %v", err)
	}
}

func TestAGoroutineThatPanicsOnFaultsIsToldWhyNothingRuns(t *testing.T) {
	debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(false)
	err := asyncio.Run(t.Context(), func(context.Context) error { return nil })
	if !errors.Is(err, asyncio.ErrLoopRunning) || !strings.Contains(err.Error(), "SetPanicOnFault") {
		t.Errorf("Run gives %v", err)
	}
}
