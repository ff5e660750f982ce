package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestSleepersWakeInOrderOfTheirSleep(t *testing.T) {
	var got []int
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		var ts []*asyncio.Task[int]
		for i := range 3 {
			ts = append(ts, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				if err := asyncio.Sleep(ctx, time.Duration(3-i)*time.Second); err != nil {
					return 0, err
				}
				got = append(got, i)
				return i, nil
			}))
		}
		for i, x := range ts {
			if v, err := x.Await(ctx); v != i || err != nil {
				t.Errorf("task %d gave %d, %v", i, v, err)
			}
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil || len(got) != 3 || got[0] != 2 || got[2] != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestToThread(t *testing.T) {
	for _, o := range []asyncio.Option{asyncio.WithVirtualClock(), asyncio.WithPortableDriver()} {
		v, err := asyncio.RunValue(t.Context(), func(ctx context.Context) (int, error) {
			return asyncio.ToThread(ctx, func(context.Context) (int, error) { return 7, nil })
		}, o)
		if v != 7 || err != nil {
			t.Fatal(v, err)
		}
	}
}

func TestPanicInATaskIsItsError(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error { panic("x") }, asyncio.WithVirtualClock())
	var p *asyncio.PanicError
	if !errors.As(err, &p) || p.Value != "x" {
		t.Fatal(err)
	}
}
