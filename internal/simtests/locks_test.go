package simtests_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// acquirer is what a lock and a semaphore have in common.
type acquirer interface {
	Acquire(ctx context.Context) error
	Release()
}

// holdInTurn has tasks hold a thing of which there are so many, some of which are
// cancelled or lose patience.
func holdInTurn(w *sim.World, of acquirer, places int, free func() bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		held, most := 0, 0
		var tasks []*asyncio.Task[struct{}]
		for range 6 {
			tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
				for range 3 {
					if err := upTo(ctx, w, 6); err != nil {
						return err
					}
					err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(12))*time.Millisecond, of.Acquire)
					if late(err) {
						continue
					}
					if err != nil {
						return err
					}
					held++
					most = max(most, held)
					err = upTo(ctx, w, 4)
					held--
					of.Release()
					if err != nil {
						return err
					}
				}
				return nil
			}))
		}
		cancelSome(ctx, w, 0.4, 20, tasks...)
		if err := ended(ctx, tasks...); err != nil {
			return err
		}
		w.Sometimes("all places were taken", most == places)
		if most > places || held != 0 || !free() {
			return fmt.Errorf("%d of %d places were held at once, %d in the end; free: %v", most, places, held, free())
		}
		// Whoever comes now has it at once.
		for range places {
			if err := asyncio.Timeout(ctx, time.Millisecond, of.Acquire); err != nil {
				return fmt.Errorf("a place is lost: %w", err)
			}
		}
		return alone(ctx)
	})
}

func TestALockHasOneHolderAndIsNeverLost(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		l := asyncio.NewLock()
		holdInTurn(w, l, 1, func() bool { return !l.Locked() })
	}, sim.Seeds(kernelSeeds))
}

func TestASemaphoreKeepsItsPlaces(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		s := asyncio.NewBoundedSemaphore(2)
		holdInTurn(w, s, 2, func() bool { return s.Value() == 2 })
	}, sim.Seeds(kernelSeeds))
}

// Each token is taken by somebody who waits, though others that wait are cancelled in
// the moment in which they are woken.
func TestANotificationIsNotLostWithAWaiter(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			cond := asyncio.NewCondition()
			tokens, taken, made := 0, 0, 4
			var takers []*asyncio.Task[struct{}]
			for range 7 {
				takers = append(takers, asyncio.Go(ctx, func(ctx context.Context) error {
					return cond.With(ctx, func(ctx context.Context) error {
						if err := cond.WaitFor(ctx, func() bool { return tokens > 0 }); err != nil {
							return err
						}
						tokens--
						taken++
						return nil
					})
				}))
			}
			maker := asyncio.Go(ctx, func(ctx context.Context) error {
				for range made {
					if err := upTo(ctx, w, 5); err != nil {
						return err
					}
					err := cond.With(ctx, func(context.Context) error {
						tokens++
						cond.Notify(1)
						return nil
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
			for _, t := range takers[:3] { // four are left for four tokens
				if w.Chance(0.7) {
					t.Loop().CallLater(time.Duration(w.Pick(16))*time.Millisecond, func() { t.Cancel() })
				}
			}
			if _, err := maker.Await(ctx); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			w.Sometimes("a waiter was cancelled", takers[0].Cancelled())
			if tokens != 0 || taken != made {
				return fmt.Errorf("%d of %d tokens were taken, %d lie there while somebody waits", taken, made, tokens)
			}
			for _, t := range takers {
				t.Cancel()
			}
			if err := ended(ctx, takers...); err != nil {
				return err
			}
			if cond.Locked() {
				return errors.New("the lock is held by nobody")
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// Who passes a barrier passes it with all others of the same time.
func TestABarrierLetsAllThroughOrNone(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			const parties = 3
			b := asyncio.NewBarrier(parties)
			var passed [parties]int // by index
			var tasks []*asyncio.Task[struct{}]
			for range parties {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					for range 4 {
						if err := upTo(ctx, w, 5); err != nil {
							return err
						}
						i, err := b.Wait(ctx)
						if errors.Is(err, asyncio.ErrBrokenBarrier) {
							w.Sometimes("the barrier was broken", true)
							return nil
						}
						if err != nil {
							return err
						}
						passed[i]++
					}
					return nil
				}))
			}
			if w.Chance(0.3) {
				asyncio.Go(ctx, func(ctx context.Context) error {
					if err := upTo(ctx, w, 20); err != nil {
						return err
					}
					return b.Abort(ctx)
				})
			} else if w.Chance(0.5) {
				// One that is gone for ever leaves the others waiting, so somebody looks.
				cancelSome(ctx, w, 0.4, 20, tasks...)
				tasks[0].Loop().CallLater(time.Second, func() {
					asyncio.Go(ctx, b.Abort)
				})
			}
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
				return err
			}
			if b.Waiting() != 0 {
				return fmt.Errorf("%d wait, and nobody is there", b.Waiting())
			}
			for i := range passed {
				// One that was cancelled in the moment in which it was let through does
				// not say that it was.
				if passed[i] > 4 || passed[0]-passed[i] > parties {
					return fmt.Errorf("passed by index: %v", passed)
				}
			}
			if err := b.Reset(ctx); err != nil {
				return err
			}
			again := make([]*asyncio.Task[struct{}], parties)
			for i := range again {
				again[i] = asyncio.Go(ctx, func(ctx context.Context) error {
					_, err := b.Wait(ctx)
					return err
				})
			}
			if err := ended(ctx, again...); err != nil {
				return fmt.Errorf("after a reset: %w", err)
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// Items go from producers to consumers through a queue with little room. Those whose
// Put has returned nil are all taken, once; those whose Get has failed took none.
func TestAQueueLosesNothingAndDoublesNothing(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			q := asyncio.NewQueue[int](1 + w.Pick(3))
			put, got := make(map[int]bool), make(map[int]int)
			var producers, consumers []*asyncio.Task[struct{}]
			for p := range 3 {
				producers = append(producers, asyncio.Go(ctx, func(ctx context.Context) error {
					for i := range 5 {
						if err := upTo(ctx, w, 3); err != nil {
							return err
						}
						item := p*100 + i
						err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(8))*time.Millisecond, func(ctx context.Context) error {
							return q.Put(ctx, item)
						})
						if err == nil {
							put[item] = true
						} else if !late(err) {
							return err
						}
					}
					return nil
				}))
			}
			for range 3 {
				consumers = append(consumers, asyncio.Go(ctx, func(ctx context.Context) error {
					for {
						var item int
						err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(4))*time.Millisecond, func(ctx context.Context) (err error) {
							item, err = q.Get(ctx)
							return err
						})
						switch {
						case late(err):
							w.Sometimes("a Get was late", true)
							continue
						case errors.Is(err, asyncio.ErrQueueShutdown):
							return nil
						case err != nil:
							return err
						}
						got[item]++
						q.TaskDone()
						if err := upTo(ctx, w, 4); err != nil {
							return err
						}
					}
				}))
			}
			cancelSome(ctx, w, 0.3, 12, producers...)
			cancelSome(ctx, w, 0.5, 12, consumers[1:]...)
			if err := ended(ctx, producers...); err != nil {
				return err
			}
			if err := asyncio.Timeout(ctx, time.Second, q.Join); err != nil {
				return fmt.Errorf("%d items are not done, %d in the queue: %w", q.Unfinished(), q.Len(), err)
			}
			q.Shutdown(w.Chance(0.5))
			if err := ended(ctx, consumers...); err != nil {
				return err
			}
			for item := range put {
				if got[item] != 1 {
					return fmt.Errorf("item %d was taken %d times", item, got[item])
				}
			}
			if len(got) != len(put) || q.Unfinished() != 0 {
				return fmt.Errorf("%d items were put, %d taken, %d are left", len(put), len(got), q.Unfinished())
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// Nobody is left at an event or a future that was set.
func TestAllWhoWaitForAnEventAreWoken(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			e := asyncio.NewEvent()
			woken, cancelled := 0, 0
			var tasks []*asyncio.Task[struct{}]
			for range 8 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					if err := upTo(ctx, w, 4); err != nil {
						return err
					}
					if err := e.Wait(ctx); err != nil {
						cancelled++
						return err
					}
					woken++
					return nil
				}))
			}
			cancelSome(ctx, w, 0.4, 8, tasks...)
			asyncio.Go(ctx, func(ctx context.Context) error {
				if err := upTo(ctx, w, 8); err != nil {
					return err
				}
				e.Set()
				if w.Chance(0.5) { // those that wait are woken all the same
					e.Clear()
					err := asyncio.Sleep(ctx, 10*time.Millisecond)
					e.Set()
					return err
				}
				return nil
			})
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			if woken+cancelled > len(tasks) {
				return fmt.Errorf("%d were woken and %d cancelled, of %d", woken, cancelled, len(tasks))
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}
