package sim_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// waitForDropsResult is a wait with a time limit that was written by hand. When it is
// cancelled in the turn in which the inner task ends, nobody gets what that has made.
func waitForDropsResult(w *sim.World, mended bool) {
	opened, closed := 0, 0
	w.Host("h").Go(func(ctx context.Context) error {
		outer := asyncio.Go(ctx, func(ctx context.Context) error {
			inner := asyncio.Go(ctx, func(ctx context.Context) error {
				if err := some(ctx, w); err != nil {
					return err
				}
				opened++
				return nil
			})
			done := asyncio.NewFuture[struct{}](inner.Loop())
			inner.AddDoneCallback(func() { _ = done.SetResult(struct{}{}) })
			if _, err := done.Await(ctx); err != nil {
				inner.Cancel()
				if mended && inner.Done() && inner.Err() == nil {
					closed++
				}
				return err
			}
			if inner.Err() == nil {
				closed++
			}
			return nil
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		outer.Cancel()
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if opened != closed {
			return errors.New("a connection is open that nobody has")
		}
		return nil
	})
}

// A handQueue is a queue as people write it, with a future for each who waits.
type handQueue struct {
	items   []int
	waiters []*asyncio.Future[struct{}]
	mended  bool
}

func (q *handQueue) put(item int) {
	q.items = append(q.items, item)
	q.wake()
}

func (q *handQueue) wake() {
	for len(q.waiters) > 0 {
		f := q.waiters[0]
		q.waiters = q.waiters[1:]
		if !f.Done() {
			_ = f.SetResult(struct{}{})
			return
		}
	}
}

func (q *handQueue) get(ctx context.Context) (int, error) {
	for len(q.items) == 0 {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return 0, err
		}
		f := asyncio.NewFuture[struct{}](l)
		q.waiters = append(q.waiters, f)
		if _, err := f.Await(ctx); err != nil {
			if i := slices.Index(q.waiters, f); i >= 0 {
				q.waiters = slices.Delete(q.waiters, i, i+1)
			} else if q.mended {
				q.wake() // it was this one's turn; somebody else must have it
			}
			return 0, err
		}
	}
	item := q.items[0]
	q.items = q.items[1:]
	return item, nil
}

// eatenWakeup has two who wait. The first is cancelled when it was just woken.
func eatenWakeup(w *sim.World, mended bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		q := &handQueue{mended: mended}
		first := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := q.get(ctx)
			if err == nil {
				q.put(2) // so that the other has one in any case
			}
			return err
		})
		second := asyncio.CreateTask(ctx, q.get)
		asyncio.Go(ctx, func(ctx context.Context) error {
			if err := some(ctx, w); err != nil {
				return err
			}
			q.put(1)
			return nil
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		first.Cancel()
		_, err := second.Await(ctx)
		return err
	})
}

// lostNotify looks whether it has to wait, does something else that waits, and waits.
func lostNotify(w *sim.World, mended bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		ready := false
		var waiter *asyncio.Future[struct{}]
		asyncio.Go(ctx, func(ctx context.Context) error {
			if err := some(ctx, w); err != nil {
				return err
			}
			ready = true
			if waiter != nil {
				_ = waiter.SetResult(struct{}{})
			}
			return nil
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		l, err := asyncio.RunningLoop(ctx)
		if err != nil || ready {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil { // it logs that it will wait
			return err
		}
		if mended && ready {
			return nil
		}
		waiter = asyncio.NewFuture[struct{}](l)
		_, err = waiter.Await(ctx)
		return err
	})
}

// itemDroppedOnTimeout takes items with a time limit. The item of the turn in which
// the time is up belongs to a task that nobody asks any more.
func itemDroppedOnTimeout(w *sim.World, mended bool) {
	const items = 5
	w.Host("h").Go(func(ctx context.Context) error {
		q := asyncio.NewQueue[int](0)
		asyncio.Go(ctx, func(ctx context.Context) error {
			for i := range items {
				if err := some(ctx, w); err != nil {
					return err
				}
				if err := q.PutNowait(i); err != nil {
					return err
				}
			}
			return nil
		})
		for got := 0; got < items; {
			get := asyncio.CreateTask(ctx, q.Get)
			up := asyncio.NewFuture[struct{}](get.Loop())
			finish := func() {
				if !up.Done() {
					_ = up.SetResult(struct{}{})
				}
			}
			timedOut := false
			timer := get.Loop().CallLater(7*time.Millisecond, func() { timedOut = true; finish() })
			get.AddDoneCallback(finish)
			_, err := up.Await(ctx)
			timer.Cancel()
			if err != nil {
				return err
			}
			if timedOut && !(mended && get.Done()) {
				get.Cancel()
				continue
			}
			if _, err := get.Await(ctx); err != nil {
				return err
			}
			got++
		}
		return nil
	})
}

// slotLost is a pool whose slot goes to who waits for it by settling a future. Who is
// cancelled in that turn keeps it for ever.
func slotLost(w *sim.World, mended bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		free := 1
		var waiters []*asyncio.Future[struct{}]
		release := func() {
			for len(waiters) > 0 {
				f := waiters[0]
				waiters = waiters[1:]
				if !f.Done() {
					_ = f.SetResult(struct{}{}) // the slot goes with it
					return
				}
			}
			free++
		}
		request := func(ctx context.Context) error {
			if free > 0 {
				free--
			} else {
				f := asyncio.NewFuture[struct{}](l)
				waiters = append(waiters, f)
				if _, err := f.Await(ctx); err != nil {
					if mended && !f.Cancelled() {
						release()
					}
					return err
				}
			}
			defer release()
			return some(ctx, w)
		}
		var tasks []*asyncio.Task[struct{}]
		for range 3 {
			tasks = append(tasks, asyncio.Go(ctx, request))
		}
		if err := some(ctx, w); err != nil {
			return err
		}
		tasks[1].Cancel()
		// A fuzzer can hold up each of its turns.
		if err := asyncio.Sleep(ctx, 30*time.Minute); err != nil {
			return err
		}
		if free != 1 {
			return errors.New("the slot is lost")
		}
		return nil
	})
}

// swallowedCancel is a task group that was written by hand. It cancels the task that
// is in it when a child fails, and takes every cancel for its own.
func swallowedCancel(w *sim.World, mended bool) {
	failed := errors.New("a child has failed")
	w.Host("h").Go(func(ctx context.Context) error {
		parent := asyncio.Go(ctx, func(ctx context.Context) error {
			self := asyncio.CurrentTask(ctx)
			var why error
			asyncio.Go(ctx, func(ctx context.Context) error {
				if err := some(ctx, w); err != nil {
					return err
				}
				why = failed
				self.Cancel()
				return nil
			})
			err := asyncio.Sleep(ctx, time.Second)
			if why != nil && asyncio.IsCancelled(err) {
				if self.Uncancel() > 0 && mended {
					return err
				}
				for self.Cancelling() > 0 {
					self.Uncancel()
				}
				return asyncio.Sleep(ctx, time.Second) // the failure is handled, the program goes on
			}
			return err
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		parent.Cancel()
		err := asyncio.Sleep(ctx, 500*time.Millisecond)
		if !parent.Done() {
			return errors.New("a cancelled task goes on")
		}
		return err
	})
}

// concurrentDrain is flow control with room for one who waits.
func concurrentDrain(w *sim.World, mended bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		paused := true
		var waiters []*asyncio.Future[struct{}]
		drain := func(ctx context.Context) error {
			if err := some(ctx, w); err != nil || !paused {
				return err
			}
			f := asyncio.NewFuture[struct{}](l)
			if !mended {
				waiters = nil
			}
			waiters = append(waiters, f)
			_, err := f.Await(ctx)
			return err
		}
		one, other := asyncio.Go(ctx, drain), asyncio.Go(ctx, drain)
		if err := some(ctx, w); err != nil {
			return err
		}
		paused = false
		for _, f := range waiters {
			_ = f.SetResult(struct{}{})
		}
		_, err = one.Await(ctx)
		_, err2 := other.Await(ctx)
		return errors.Join(err, err2)
	})
}
