package asyncio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A lock is for state that is not consistent over a wait.
func ExampleLock() {
	run(func(ctx context.Context) error {
		var lock asyncio.Lock
		withdraw := func(balance *int, n int) func(context.Context) error {
			return func(ctx context.Context) error {
				return lock.With(ctx, func(ctx context.Context) error {
					before := *balance
					if err := asyncio.Sleep(ctx, time.Second); err != nil { // asks the bank
						return err
					}
					*balance = before - n
					return nil
				})
			}
		}
		balance := 100
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(withdraw(&balance, 30))
			g.Go(withdraw(&balance, 20))
			return nil
		})
		fmt.Println(balance)
		return err
	})
	// Output: 50
}

func ExampleEvent() {
	run(func(ctx context.Context) error {
		var open asyncio.Event
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 2 {
				g.Go(func(ctx context.Context) error {
					if err := open.Wait(ctx); err != nil {
						return err
					}
					fmt.Println("guest", i, "comes in")
					return nil
				})
			}
			if err := asyncio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			fmt.Println("the doors open")
			open.Set()
			return nil
		})
	})
	// Output:
	// the doors open
	// guest 0 comes in
	// guest 1 comes in
}

func ExampleCondition() {
	run(func(ctx context.Context) error {
		var stock asyncio.Condition
		apples := 0
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				return stock.With(ctx, func(ctx context.Context) error {
					if err := stock.WaitFor(ctx, func() bool { return apples >= 3 }); err != nil {
						return err
					}
					apples -= 3
					fmt.Println("a pie; apples left:", apples)
					return nil
				})
			})
			for range 4 {
				err := stock.With(ctx, func(context.Context) error {
					apples++
					stock.NotifyAll()
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	// Output: a pie; apples left: 1
}

func ExampleBarrier() {
	run(func(ctx context.Context) error {
		start := asyncio.NewBarrier(3)
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 3 {
				g.Go(func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Duration(i)*time.Second); err != nil {
						return err
					}
					place, err := start.Wait(ctx)
					if place == 2 {
						fmt.Println("all are there")
					}
					return err
				})
			}
			return nil
		})
	})
	// Output: all are there
}

func ExampleNewPriorityQueue() {
	type job struct {
		name   string
		urgent int
	}
	run(func(ctx context.Context) error {
		jobs := asyncio.NewPriorityQueue(0, func(a, b job) bool { return cmp.Less(b.urgent, a.urgent) })
		for _, j := range []job{{"sweep", 1}, {"put the fire out", 9}, {"cook", 3}} {
			if err := jobs.Put(ctx, j); err != nil {
				return err
			}
		}
		jobs.Shutdown(false) // no more will come
		for j, err := range jobs.All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(j.name)
		}
		return nil
	})
	// Output:
	// put the fire out
	// cook
	// sweep
}

// What is shielded goes on when the task that waits for it is cancelled.
func ExampleShield() {
	run(func(ctx context.Context) error {
		saved := asyncio.CreateTask(ctx, fetch("saved", time.Minute))
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			_, err := asyncio.Shield(ctx, saved)
			return err
		})
		fmt.Println(err)
		fmt.Println(saved.Await(ctx))
		return nil
	})
	// Output:
	// asyncio: timed out
	// saved <nil>
}

func ExampleWaitFor() {
	run(func(ctx context.Context) error {
		slow := asyncio.CreateTask(ctx, fetch("a page", time.Hour))
		_, err := asyncio.WaitFor(ctx, time.Second, slow)
		fmt.Println(errors.Is(err, context.DeadlineExceeded), slow.Cancelled())
		return nil
	})
	// Output: true true
}

// As long as something comes, the time limit moves.
func ExampleTimeoutScope_Reschedule() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var s asyncio.TimeoutScope
		err = s.Run(ctx, 2*time.Second, func(ctx context.Context) error {
			for i := range 3 {
				if err := asyncio.Sleep(ctx, time.Duration(i+1)*time.Second); err != nil {
					return err
				}
				fmt.Println("something came after", loop.Time())
				if err := s.Reschedule(loop.Time() + 2*time.Second + time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// something came after 1s
	// something came after 3s
	// asyncio: timed out
}

func ExampleGatherSettled() {
	run(func(ctx context.Context) error {
		var tasks []*asyncio.Task[int]
		for i := range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(context.Context) (int, error) {
				if i == 1 {
					return 0, errors.New("no luck")
				}
				return i, nil
			}))
		}
		outcomes, err := asyncio.GatherSettled(ctx, tasks...)
		for _, o := range outcomes {
			fmt.Println(o.Value, o.Err)
		}
		return err
	})
	// Output:
	// 0 <nil>
	// 0 no luck
	// 2 <nil>
}

// When one fails, the others are cancelled, and the group has its error.
func ExampleGroupError() {
	run(func(ctx context.Context) error {
		errFull := errors.New("the disk is full")
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				return errFull
			})
			g.Go(func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, time.Hour)
				fmt.Println("the other:", err)
				return err
			})
			return nil
		})
		var group *asyncio.GroupError
		fmt.Println(errors.As(err, &group), group.Errors, errors.Is(err, errFull))
		return nil
	})
	// Output:
	// the other: asyncio: cancelled
	// true [the disk is full] true
}

// Whoever finds it first ends the search of all.
func ExampleTaskGroup_Cancel() {
	run(func(ctx context.Context) error {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 5 {
				g.Go(func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Duration(5-i)*time.Second); err != nil {
						return err
					}
					fmt.Println("found by", i)
					g.Cancel()
					return nil
				})
			}
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// found by 4
	// <nil>
}

// A worker takes items until the queue is shut down.
func ExampleQueue_All() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		queue := asyncio.NewQueue[string](10)
		worker := asyncio.Go(ctx, func(ctx context.Context) error {
			for item, err := range queue.All(ctx) {
				if err != nil {
					return err // a cancellation
				}
				fmt.Println("done:", item)
				queue.TaskDone()
			}
			return nil // it was shut down, and is empty
		})
		for _, item := range []string{"dishes", "laundry"} {
			if err := queue.Put(ctx, item); err != nil {
				return err
			}
		}
		queue.Shutdown(false)
		_, err := worker.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// done: dishes
	// done: laundry
}
