package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// fetch stands for something that takes its time.
func fetch(name string, d time.Duration) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return name, asyncio.Sleep(ctx, d)
	}
}

// run runs an example on the virtual clock, where waiting takes no time.
func run(main func(context.Context) error) {
	if err := asyncio.Run(context.Background(), main, asyncio.WithVirtualClock()); err != nil {
		fmt.Println(err)
	}
}

func ExampleGather() {
	run(func(ctx context.Context) error {
		pages, err := asyncio.Gather[string](ctx,
			asyncio.CreateTask(ctx, fetch("first", 2*time.Second)),
			asyncio.CreateTask(ctx, fetch("second", time.Second)),
		)
		fmt.Println(pages)
		return err
	})
	// Output: [first second]
}

func ExampleGroup() {
	run(func(ctx context.Context) error {
		var a, b *asyncio.Task[string]
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			a = asyncio.Spawn(g, fetch("users", time.Second))
			b = asyncio.Spawn(g, fetch("orders", 2*time.Second))
			return nil
		})
		if err != nil {
			return err
		}
		users, _ := a.Result() // they have ended, well
		orders, _ := b.Result()
		fmt.Println(users, orders)
		return nil
	})
	// Output: users orders
}

func ExampleTimeout() {
	run(func(ctx context.Context) error {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			return asyncio.Sleep(ctx, time.Hour)
		})
		fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
		return nil
	})
	// Output: asyncio: timed out true
}

func ExampleWait() {
	run(func(ctx context.Context) error {
		quick := asyncio.CreateTask(ctx, fetch("quick", time.Second))
		slow := asyncio.CreateTask(ctx, fetch("slow", time.Hour))
		done, pending, err := asyncio.Wait(ctx, asyncio.FirstCompleted, asyncio.NoTimeout, quick, slow)
		if err != nil {
			return err
		}
		for _, p := range pending {
			p.Cancel()
		}
		fmt.Println(len(done), len(pending))
		return nil
	})
	// Output: 1 1
}

func ExampleAsCompleted() {
	run(func(ctx context.Context) error {
		names := map[asyncio.Awaitable]string{}
		var all []asyncio.Awaitable
		for name, d := range map[string]time.Duration{"slow": 3, "quick": 1, "middling": 2} {
			task := asyncio.CreateTask(ctx, fetch(name, d*time.Second))
			names[task] = name
			all = append(all, task)
		}
		for task, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, all...) {
			if err != nil {
				return err
			}
			fmt.Println(names[task])
		}
		return nil
	})
	// Output:
	// quick
	// middling
	// slow
}

func ExampleQueue() {
	run(func(ctx context.Context) error {
		queue := asyncio.NewQueue[int](2)
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				for job, err := range queue.All(ctx) {
					if err != nil {
						return err
					}
					fmt.Println("job", job)
				}
				return nil
			})
			for i := range 3 {
				if err := queue.Put(ctx, i); err != nil { // waits while two are there
					return err
				}
			}
			queue.Shutdown(false)
			return nil
		})
	})
	// Output:
	// job 0
	// job 1
	// job 2
}

func ExampleSemaphore() {
	run(func(ctx context.Context) error {
		limit := asyncio.NewSemaphore(2) // two at a time
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 6 {
				g.Go(func(ctx context.Context) error {
					return limit.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
				})
			}
			return nil
		})
		loop, _ := asyncio.RunningLoop(ctx)
		fmt.Println(loop.Time())
		return err
	})
	// Output: 3s
}
