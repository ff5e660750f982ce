package simtests_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/flow"
	"github.com/asyncio-go/asyncio/sim"
)

func TestABroadcastTellsEachReceiverAllOrWhatItMissed(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			const sent = 30
			b := flow.NewBroadcast[int](4)
			closed := false
			var tasks []*asyncio.Task[struct{}]
			for range 3 {
				r := b.Subscribe()
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					next := 0
					for {
						var v, missed int
						if w.Chance(0.3) {
							which, err := asyncio.Select(ctx, r.OnNews(), asyncio.OnTimeout(time.Duration(1+w.Pick(4))*time.Millisecond))
							if err != nil {
								return err
							}
							if there := r.Len() > 0 || closed; which == 1 && there || which == 0 && !there {
								return fmt.Errorf("case %d, with %d values there, after %d", which, r.Len(), next)
							}
						}
						err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(4))*time.Millisecond, func(ctx context.Context) (err error) {
							v, missed, err = r.Receive(ctx)
							return err
						})
						if late(err) {
							continue
						}
						if errors.Is(err, flow.ErrClosed) && next == sent {
							return nil
						}
						if err != nil {
							return fmt.Errorf("after %d: %w", next, err)
						}
						w.Sometimes("a receiver was too slow", missed > 0)
						if v != next+missed {
							return fmt.Errorf("got %d after %d, with %d missed", v, next, missed)
						}
						next = v + 1
						if err := upTo(ctx, w, 4); err != nil {
							return err
						}
					}
				}))
			}
			for i := range sent {
				if err := b.Send(i); err != nil {
					return err
				}
				if err := upTo(ctx, w, 3); err != nil {
					return err
				}
			}
			b.Close()
			closed = true
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

func TestAWatcherSeesTheLastValue(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			const last = 20
			value := flow.NewWatch(0)
			var tasks []*asyncio.Task[struct{}]
			for range 3 {
				r := value.Watcher()
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					for seen := -1; seen != last; {
						v, err := r.Next(ctx)
						if err != nil {
							return err
						}
						if v <= seen {
							return fmt.Errorf("saw %d after %d", v, seen)
						}
						seen = v
						if err := upTo(ctx, w, 3); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			for i := range last {
				if err := upTo(ctx, w, 3); err != nil {
					return err
				}
				value.Set(i + 1)
			}
			if err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error { return ended(ctx, tasks...) }); err != nil {
				return err
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

func TestARateIsKeptThoughSomeGiveUp(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			const interval, burst = 5 * time.Millisecond, 2
			limit := flow.NewRateLimiter(interval, burst)
			var passed []time.Duration
			var tasks []*asyncio.Task[struct{}]
			for range 10 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					if err := upTo(ctx, w, 30); err != nil {
						return err
					}
					if err := limit.Wait(ctx); err != nil {
						return err
					}
					passed = append(passed, flow.Now(ctx))
					return nil
				}))
			}
			cancelSome(ctx, w, 0.3, 40, tasks...)
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			for i := range passed {
				if j := i + burst; j < len(passed) && passed[j]-passed[i] < interval-time.Microsecond {
					return fmt.Errorf("%d passed within %v", burst+1, passed[j]-passed[i])
				}
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

func TestAFlightIsSharedAndOutlivesItsFirstCaller(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			var s flow.Singleflight[string, int]
			under, calls := 0, 0
			var tasks []*asyncio.Task[struct{}]
			for range 6 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					if err := upTo(ctx, w, 10); err != nil {
						return err
					}
					_, _, err := s.Do(ctx, "key", func(ctx context.Context) (int, error) {
						if under++; under > 1 {
							w.Sometimes("one began while another was cancelled", true)
						}
						defer func() { under-- }()
						calls++
						return calls, upTo(ctx, w, 8)
					})
					if asyncio.IsCancelled(err) && asyncio.CurrentTask(ctx).Cancelling() == 0 {
						return errors.New("a caller has the cancellation of another")
					}
					return err
				}))
			}
			cancelSome(ctx, w, 0.4, 16, tasks...)
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			if under != 0 {
				return fmt.Errorf("%d calls are under way for nobody", under)
			}
			return alone(ctx)
		})
	}, sim.Seeds(kernelSeeds))
}

func TestPausesBetweenRetriesAreChoicesOfTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			calls := 0
			err := flow.Retry(ctx, flow.Retries{}, func(ctx context.Context) error {
				if calls++; calls < 3 || w.Chance(0.5) {
					return errChild
				}
				return nil
			})
			w.Note("%d calls until %v", calls, flow.Now(ctx))
			w.Sometimes("it was given up", err != nil)
			return nil
		})
	}, sim.Seeds(kernelSeeds))
}
