package asyncio_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestIncidentsAreTold(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	told := make(chan asyncio.Incident, 10)
	stop := asyncio.NotifyIncidents(func(i asyncio.Incident) { told <- i })
	next := func(kind string) asyncio.Incident {
		t.Helper()
		for {
			select {
			case i := <-told:
				if i.Kind == kind {
					return i
				}
				if i.Err != nil { // of the others there may be more: a busy machine may hold up the loop by itself
					t.Errorf("%+v, want %s", i, kind)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing was told of ", kind)
				panic("unreachable")
			}
		}
	}
	free, seen := make(chan struct{}), make(chan struct{}, 1)
	over := make(chan error, 1)
	go func() {
		over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			asyncio.Go(ctx, func(ctx context.Context) error { panic("of a task") }).Await(ctx)
			loopOf(ctx).CallSoon(func() { panic("of a callback") })
			asyncio.Sleep(ctx, 0)
			<-free
			_, err := asyncio.WrapChan(loopOf(ctx), seen).Await(ctx)
			return err
		}, asyncio.WithStallWatch(50*time.Millisecond), asyncio.WithLogger(textLogger(io.Discard)))
	}()
	var p *asyncio.PanicError
	if i := next("panic"); !errors.As(i.Err, &p) || p.Value != "of a task" || i.Task == 0 {
		t.Errorf("%+v", i)
	}
	if i := next("panic"); !errors.As(i.Err, &p) || p.Value != "of a callback" || i.Task != 0 {
		t.Errorf("%+v", i)
	}
	stall := next("stall")
	for stall.Task == 0 { // so it may hold up a callback
		stall = next("stall")
	}
	if stall.Look == nil || stall.Look.Culprit == nil {
		t.Errorf("%+v", stall)
	}
	close(free)
	next("goes on")
	seen <- struct{}{}
	stop()
	if err := <-over; err != nil {
		t.Error(err)
	}
}
