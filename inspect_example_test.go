package asyncio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Who waits for the download: a task, for which main waits.
func ExampleCaptureCallGraph() {
	run(func(ctx context.Context) error {
		download := asyncio.CreateTask(ctx, fetch("a page", time.Hour), asyncio.WithName("download"))
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := download.Await(ctx)
			return err
		}, asyncio.WithName("reader"))
		asyncio.Go(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			for g := asyncio.CaptureCallGraph(download); ; g = g.AwaitedBy[0] {
				fmt.Println(g.Name)
				if len(g.AwaitedBy) == 0 {
					return nil
				}
			}
		})
		asyncio.CurrentTask(ctx).SetName("main")
		_, err := reader.Await(ctx)
		return err
	})
	// Output:
	// download
	// reader
	// main
}

func ExampleLoop_Stats() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		for range 3 {
			asyncio.CreateTask(ctx, fetch("a page", time.Hour))
		}
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		stats := loop.Stats()
		fmt.Println(stats.Tasks, "tasks,", stats.Timers, "timers")
		return nil
	})
	// Output: 4 tasks, 3 timers
}

// WrapFuture lets a task wait for what another goroutine returns.
func ExampleWrapFuture() {
	type reply struct{ text string }
	ask := func(ctx context.Context) <-chan reply { // some library
		c := make(chan reply, 1)
		go func() { c <- reply{"yes"} }()
		return c
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		answer, err := asyncio.WrapFuture(loop, func(ctx context.Context) (string, error) {
			select {
			case r := <-ask(ctx):
				return r.text, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}).Await(ctx)
		fmt.Println(answer)
		return err
	})
	fmt.Println(err)
	// Output:
	// yes
	// <nil>
}
