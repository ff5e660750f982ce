package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/asyncio-go/asyncio"
)

func TestATimerMayBeCancelledAfterItsLoopWasClosed(t *testing.T) {
	var timers []*asyncio.TimerHandle
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		for i := range 3 {
			timers = append(timers, loop.CallLater(time.Duration(i+1)*time.Hour, func() {}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range timers {
		h.Cancel()
	}
}

func TestAHandleThatHasRunIsNotCancelled(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		soon, later := l.CallSoon(func() {}), l.CallLater(time.Second, func() {})
		asyncio.Sleep(ctx, 2*time.Second)
		if soon.Cancelled() || later.Cancelled() {
			t.Error("they have run and are cancelled")
		}
		soon.Cancel()
		later.Cancel()
		if !soon.Cancelled() || !later.Cancelled() {
			t.Error("they were cancelled and are not")
		}
	})
}

func TestACallbackMayCancelItsOwnHandle(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		var soon *asyncio.Handle
		var later *asyncio.TimerHandle
		soon = l.CallSoon(func() { soon.Cancel() })
		later = l.CallLater(time.Second, func() { later.Cancel() })
		asyncio.Sleep(ctx, 2*time.Second)
		if !soon.Cancelled() || !later.Cancelled() {
			t.Error("they were cancelled and are not")
		}
	})
}

func TestAHandleThatIsKeptHoldsNoCallbackThatHasRunOrWasCancelled(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		var callbacks []weak.Pointer[[64]byte] // what each of them holds
		callback := func() func() {
			held := new([64]byte)
			callbacks = append(callbacks, weak.Make(held))
			return func() { held[0]++ }
		}
		var handles []interface{ Cancel() }
		for range 40 {
			handles = append(handles, l.CallSoon(callback()), l.CallLater(time.Second, callback()))
		}
		for range 40 {
			soon, later := l.CallSoon(callback()), l.CallLater(time.Hour, callback())
			soon.Cancel()
			later.Cancel()
			handles = append(handles, soon, later)
		}
		asyncio.Sleep(ctx, 2*time.Second)
		runtime.GC()
		for i, c := range callbacks {
			if c.Value() != nil {
				t.Errorf("what callback %d holds is still there", i)
			}
		}
		runtime.KeepAlive(handles)
	})
}
