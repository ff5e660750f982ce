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

var errChild = errors.New("a child has failed")

// When a group has ended, none of its tasks is left, and what failed is in its error.
func TestAGroupLeavesNobodyBehind(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			running, failed := 0, 0
			var grow func(g *asyncio.TaskGroup, depth int)
			grow = func(g *asyncio.TaskGroup, depth int) {
				g.Go(func(ctx context.Context) error {
					running++
					defer func() { running-- }()
					if err := upTo(ctx, w, 10); err != nil {
						return errors.Join(err, cleanUp(ctx, w))
					}
					switch w.Pick(5) {
					case 4:
						failed++
						return errChild
					case 3:
						if depth > 0 {
							grow(g, depth-1)
						}
					case 2:
						return asyncio.Group(ctx, func(_ context.Context, inner *asyncio.TaskGroup) error {
							if depth > 0 {
								grow(inner, depth-1)
							}
							return nil
						})
					}
					return nil
				})
			}
			outer := asyncio.Go(ctx, func(ctx context.Context) error {
				err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 4 {
						grow(g, 2)
					}
					if w.Chance(0.2) {
						g.Cancel()
					}
					return upTo(ctx, w, 10)
				})
				if running != 0 {
					return fmt.Errorf("%d tasks run, and their group has ended with %v", running, err)
				}
				if (failed > 0) != errors.Is(err, errChild) {
					return fmt.Errorf("%d children have failed, the group says: %v", failed, err)
				}
				if asyncio.IsCancelled(err) {
					return err
				}
				// A cancellation that the group has made for itself is taken back.
				if e := asyncio.Sleep(ctx, time.Millisecond); e != nil && !asyncio.IsCancelled(e) {
					return e
				}
				return nil
			})
			cancelSome(ctx, w, 0.4, 12, outer)
			if err := ended(ctx, outer); err != nil {
				return err
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// cleanUp is what a task does that was cancelled: it waits, too.
func cleanUp(ctx context.Context, w *sim.World) error {
	if !w.Chance(0.3) {
		return nil
	}
	_, err := asyncio.Shield(ctx, asyncio.Go(ctx, func(ctx context.Context) error {
		return asyncio.Sleep(ctx, 2*time.Millisecond)
	}))
	if asyncio.IsCancelled(err) {
		return nil
	}
	return err
}

// What WaitFor waits for is a thing that must be let go of: either the caller has it,
// or it was never made, or whoever made it is told by a cancellation.
func TestWaitForDropsNoResult(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			open := 0
			var tasks []*asyncio.Task[struct{}]
			for range 4 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					make := asyncio.CreateTask(ctx, func(ctx context.Context) (func(), error) {
						if err := upTo(ctx, w, 10); err != nil {
							return nil, err
						}
						open++
						return func() { open-- }, nil
					})
					letGo, err := asyncio.WaitFor(ctx, time.Duration(w.Pick(10))*time.Millisecond, make)
					if err == nil {
						letGo()
						return nil
					}
					w.Sometimes("it was late", late(err))
					// It may have been made in the turn in which the caller was cancelled:
					// it is in the task then, and not gone.
					if make.Done() && make.Err() == nil {
						letGo, _ := make.Result()
						letGo()
					} else if !make.Done() {
						return fmt.Errorf("WaitFor returned %v, and what it waited for goes on", err)
					}
					return err
				}))
			}
			cancelSome(ctx, w, 0.5, 10, tasks...)
			for _, t := range tasks {
				if _, err := asyncio.Shield(ctx, t); err != nil && !late(err) && !asyncio.IsCancelled(err) {
					return err
				}
			}
			if open != 0 {
				return fmt.Errorf("%d are open that nobody has", open)
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// Scopes of time within each other: each ends what is inside of it, in time, and no
// other; and none leaves a cancellation behind.
func TestNestedTimeoutsEndWhatIsTheirs(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			l, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				for range 5 {
					outer, inner, work := w.Pick(10), w.Pick(10), w.Pick(10)
					began, entered := l.Time(), false
					err := asyncio.Timeout(ctx, time.Duration(outer)*time.Millisecond, func(ctx context.Context) error {
						err := asyncio.Timeout(ctx, time.Duration(inner)*time.Millisecond, func(ctx context.Context) error {
							return asyncio.Sleep(ctx, time.Duration(work)*time.Millisecond)
						})
						if late(err) && !asyncio.IsCancelled(err) {
							entered = true
							return asyncio.Sleep(ctx, 3*time.Millisecond)
						}
						return err
					})
					took := l.Time() - began
					switch {
					case asyncio.IsCancelled(err) && asyncio.CurrentTask(ctx).Cancelling() == 0:
						return errors.New("a cancellation came of which nobody has asked")
					case asyncio.IsCancelled(err):
						return err
					case err != nil && !late(err):
						return err
					case late(err) && took < time.Duration(outer)*time.Millisecond && !entered && took < time.Duration(inner)*time.Millisecond:
						return fmt.Errorf("late after %v, limits %d and %d ms", took, outer, inner)
					case err == nil && !entered && took < time.Duration(work)*time.Millisecond:
						return fmt.Errorf("over after %v, of %d ms", took, work)
					}
					if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
						return fmt.Errorf("%d cancellations are left behind", n)
					}
				}
				return nil
			})
			cancelSome(ctx, w, 0.3, 40, task)
			if err := ended(ctx, task); err != nil {
				return err
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

// Wait, AsCompleted and Gather agree on what has ended.
func TestAllWaysOfWaitingTellTheSame(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			var tasks []*asyncio.Task[struct{}]
			for i := range 5 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					if err := upTo(ctx, w, 10); err != nil {
						return err
					}
					if w.Chance(0.3) {
						return fmt.Errorf("%w: %d", errChild, i)
					}
					return nil
				}))
			}
			cancelSome(ctx, w, 0.2, 10, tasks...)
			left := asyncio.Go(ctx, func(ctx context.Context) error {
				seen := make(map[*asyncio.Task[struct{}]]bool)
				for t, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, tasks...) {
					if err != nil {
						return err
					}
					if !t.Done() || seen[t] {
						return errors.New("AsCompleted gave one that has not ended, or twice")
					}
					seen[t] = true
				}
				if len(seen) != len(tasks) {
					return fmt.Errorf("AsCompleted gave %d", len(seen))
				}
				return nil
			})
			waiting := asyncio.Go(ctx, func(ctx context.Context) error {
				pending := tasks
				for len(pending) > 0 {
					done, still, err := asyncio.Wait(ctx, asyncio.FirstCompleted, time.Duration(1+w.Pick(5))*time.Millisecond, pending...)
					if err != nil {
						return err
					}
					if len(done)+len(still) != len(pending) {
						return fmt.Errorf("of %d, %d have ended and %d not", len(pending), len(done), len(still))
					}
					for _, t := range still {
						if t.Done() {
							return errors.New("one that has ended is pending")
						}
					}
					pending = still
				}
				return nil
			})
			settled, err := asyncio.GatherSettled[struct{}](ctx, tasks...)
			if err != nil {
				return err
			}
			for i, o := range settled {
				if !errors.Is(o.Err, tasks[i].Err()) {
					return fmt.Errorf("task %d: %v, and gathered: %v", i, tasks[i].Err(), o.Err)
				}
			}
			if err := ended(ctx, left, waiting); err != nil {
				return err
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}
