package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// On the virtual clock a deadlock is an error that says who waits for what.
func ExampleDeadlockError() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		var a, b asyncio.Lock
		takeBoth := func(first, second *asyncio.Lock) func(context.Context) error {
			return func(ctx context.Context) error {
				return first.With(ctx, func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Second); err != nil {
						return err
					}
					return second.With(ctx, func(context.Context) error { return nil })
				})
			}
		}
		return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			g.Go(takeBoth(&a, &b), asyncio.WithName("one"))
			g.Go(takeBoth(&b, &a), asyncio.WithName("two"))
			return nil
		})
	}, asyncio.WithVirtualClock(), asyncio.WithDebug(false))

	var deadlock *asyncio.DeadlockError
	if errors.As(err, &deadlock) {
		for _, main := range deadlock.Graph.Roots {
			fmt.Println(main.Name, main.State)
			for _, w := range main.WaitsFor {
				fmt.Println("  for", w.Name, "which", w.State, "in", w.Stack[0].Function)
			}
		}
	}
	// Output:
	// Task-1 waits
	//   for one which waits in github.com/asyncio-go/asyncio.(*Lock).With
	//   for two which waits in github.com/asyncio-go/asyncio.(*Lock).With
}

func ExampleThreadQueue() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		lines := asyncio.NewThreadQueue[string](loop, 10)
		reader := asyncio.RunInExecutor(loop, nil, func(ctx context.Context) (struct{}, error) {
			defer lines.Shutdown(false)
			for _, line := range []string{"one", "two"} { // as from a library that blocks
				if err := lines.Sync().Put(ctx, line); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		for line, err := range lines.Async().All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
		_, err = reader.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
}
