package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Who is woken for nothing waits on, and no longer than it would have.
func TestSelectThatIsWokenForNothingWaitsOn(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q, full := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1)
		full.PutNowait(1)
		l := loopOf(ctx)
		began := l.Time()
		for range 3 {
			l.CallLater(10*time.Second, func() { q.PutNowait(1); q.GetNowait(); full.GetNowait(); full.PutNowait(1) })
		}
		l.CallLater(20*time.Second, func() { q.PutNowait(1); q.GetNowait() })
		i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnPut(full, 2), asyncio.OnTimeout(time.Minute))
		if i != 2 || err != nil || l.Time()-began != time.Minute || full.Len() != 1 {
			t.Errorf("%d, %v after %v", i, err, l.Time()-began)
		}
		if s := l.Stats(); s.Timers != 0 {
			t.Errorf("%d timers are left", s.Timers)
		}
	})
}

// An event that is set and cleared at once wakes who waits for it, in a Select as in
// Event.Wait; unless a case before it can be done.
func TestSelectSeesAnEventThatIsSetForAMoment(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		e, q := asyncio.NewEvent(), asyncio.NewQueue[int](0)
		pulse := func() { e.Set(); e.Clear() }
		loopOf(ctx).CallLater(time.Second, pulse)
		if i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnSet(e), asyncio.OnTimeout(time.Minute)); i != 1 || err != nil {
			t.Errorf("%d, %v", i, err)
		}
		loopOf(ctx).CallLater(time.Second, func() { pulse(); q.PutNowait(1) })
		if i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnSet(e)); i != 0 || err != nil {
			t.Errorf("%d, %v", i, err)
		}
		if i, err := asyncio.Select(ctx, asyncio.OnSet(e), asyncio.OnTimeout(time.Minute)); i != 1 || err != nil {
			t.Errorf("what was before the Select: %d, %v", i, err)
		}
	})
}

func TestSelectEndsItsTimersAndWaiters(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		e, other := asyncio.NewEvent(), asyncio.NewEvent()
		l := loopOf(ctx)
		l.CallLater(time.Second, e.Set)
		i, err := asyncio.Select(ctx, asyncio.OnTimeout(time.Hour), asyncio.OnSet(other), asyncio.OnSet(e), asyncio.OnTimeout(time.Minute))
		if i != 2 || err != nil {
			t.Errorf("%d, %v", i, err)
		}
		if s := l.Stats(); s.Timers != 0 {
			t.Errorf("%d timers are left", s.Timers)
		}
		slept := l.Time()
		asyncio.Sleep(ctx, time.Second)
		other.Set() // nobody waits for it any more
		if err := asyncio.Sleep(ctx, time.Second); err != nil || l.Time()-slept != 2*time.Second {
			t.Errorf("%v after %v", err, l.Time()-slept)
		}
		if i, err := asyncio.Select(ctx, asyncio.OnSet(asyncio.NewEvent()), asyncio.OnTimeout(-1)); i != 1 || err != nil {
			t.Errorf("less than no time: %d, %v", i, err)
		}
		now := l.Time()
		if i, err := asyncio.Select(ctx, asyncio.OnTimeout(1)); i != 0 || err != nil || l.Time()-now != 1 {
			t.Errorf("%d, %v after %v", i, err, l.Time()-now)
		}
	})
}

// Room in a queue that a task was woken for, and does not take, is another's.
func TestSelectHandsOnTheRoomThatItDoesNotTake(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q, e := asyncio.NewQueue[int](1), asyncio.NewEvent()
		q.PutNowait(1)
		first := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.Select(ctx, asyncio.OnSet(e), asyncio.OnPut(q, 2))
		})
		second := asyncio.Go(ctx, func(ctx context.Context) error { return q.Put(ctx, 3) })
		asyncio.Sleep(ctx, 0)
		q.GetNowait() // wakes the first
		e.Set()       // which prefers this
		if i, err := first.Await(ctx); i != 0 || err != nil {
			t.Errorf("%d, %v", i, err)
		}
		if _, err := asyncio.WaitFor(ctx, time.Minute, second); err != nil {
			t.Error(err)
		}
		if v, err := q.GetNowait(); v != 3 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

// An item that a task was woken for, and that it was cancelled before it could take, is
// another's.
func TestSelectThatIsCancelledHandsOnTheItem(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		first := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnTimeout(time.Hour))
		})
		second := asyncio.CreateTask(ctx, q.Get)
		asyncio.Sleep(ctx, 0)
		q.PutNowait(5) // wakes the first
		first.Cancel()
		if _, err := first.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		if v, err := asyncio.WaitFor(ctx, time.Minute, second); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestSelectOverWhatOtherLoopsHaveBegunIsRefused(t *testing.T) {
	q, full, e := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1), asyncio.NewEvent()
	full.PutNowait(1)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		i, err := asyncio.Select(ctx, asyncio.OnGet(q, nil), asyncio.OnPut(full, 1), asyncio.OnSet(e), asyncio.OnTimeout(1))
		if i != 3 || err != nil {
			t.Fatal(i, err)
		}
	})
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for name, c := range map[string]asyncio.SelectCase{"get": asyncio.OnGet(q, nil), "put": asyncio.OnPut(full, 1), "set": asyncio.OnSet(e)} {
			if i, err := asyncio.Select(ctx, asyncio.OnTimeout(time.Second), c); i != -1 || !errors.Is(err, asyncio.ErrWrongLoop) {
				t.Errorf("%s: %d, %v", name, i, err)
			}
		}
		if s := loopOf(ctx).Stats(); s.Timers != 0 {
			t.Errorf("%d timers are left", s.Timers)
		}
	})
}

// A case that has ended badly after a wait says so, and which it was.
func TestSelectTellsHowACaseEndedThatItWaitedFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		q, full, closed := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1), make(chan int)
		full.PutNowait(1)
		l := loopOf(ctx)
		for name, c := range map[string]struct {
			on  asyncio.SelectCase
			end func()
			err error
		}{
			"get":     {asyncio.OnGet(q, nil), func() { q.Shutdown(false) }, asyncio.ErrQueueShutdown},
			"put":     {asyncio.OnPut(full, 1), func() { full.Shutdown(false) }, asyncio.ErrQueueShutdown},
			"receive": {asyncio.OnReceive(closed, nil), func() { close(closed) }, asyncio.ErrChannelClosed},
		} {
			l.CallLater(time.Millisecond, c.end)
			i, err := asyncio.Select(ctx, asyncio.OnTimeout(time.Hour), c.on)
			if i != 1 || !errors.Is(err, c.err) {
				t.Errorf("%s: %d, %v", name, i, err)
			}
		}
		if s := l.Stats(); s.Jobs != 0 {
			t.Errorf("%d jobs are left", s.Jobs)
		}
	})
}

// A task that is cancelled while it waits for channels has received nothing, and ends;
// what a Select shows of itself is what it waits in.
func TestSelectOfChannelsEndsWithItsTask(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan any, 1)
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			i, err := asyncio.Select(ctx, asyncio.OnReceive(ch, nil), asyncio.OnGet(asyncio.NewQueue[int](0), nil))
			if i != -1 {
				t.Errorf("it is case %d", i)
			}
			return i, err
		}, asyncio.WithName("selects"))
		turns(ctx, 3)
		if k := look(t, ctx); taskOf(t, k, "selects").Waits == nil {
			t.Errorf("%+v", k.Tasks)
		}
		task.CancelCause(errBoom)
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || !errors.Is(err, errBoom) {
			t.Error(err)
		}
		ch <- nil // a nil interface is a value too
		got := any(1)
		if i, err := asyncio.Select(ctx, asyncio.OnReceive(ch, &got)); i != 0 || err != nil || got != nil {
			t.Errorf("%d, %v, %v", i, err, got)
		}
		loopOf(ctx).CallLater(time.Millisecond, func() { ch <- nil })
		got = 1
		if i, err := asyncio.Select(ctx, asyncio.OnReceive(ch, &got)); i != 0 || err != nil || got != nil {
			t.Errorf("after a wait: %d, %v, %v", i, err, got)
		}
		if s := loopOf(ctx).Stats(); s.Jobs != 0 {
			t.Errorf("%d jobs are left", s.Jobs)
		}
	})
}
