// Command groups gathers two groups of ten tasks, cancels one of them, and
// awaits both.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := asyncio.Run(context.Background(), run); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	kept := asyncio.GatherFuture(loop, tenTasks(ctx, "kept")...)
	dropped := asyncio.GatherFuture(loop, tenTasks(ctx, "dropped")...)

	if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	dropped.Cancel()

	results, err := asyncio.GatherSettled(ctx, kept, dropped)
	if err != nil {
		return err
	}
	fmt.Println("the group that was kept:", results[0].Value)
	fmt.Println("the group that was dropped:", results[1].Err)
	return nil
}

func tenTasks(ctx context.Context, name string) (tasks []asyncio.Awaitable) {
	for i := range 10 {
		tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return square(ctx, name, i)
		}))
	}
	return tasks
}

// square takes its time. It says when it was cancelled, and passes that on.
func square(ctx context.Context, name string, i int) (int, error) {
	if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
		fmt.Printf("%s %d: %v\n", name, i, err)
		return 0, err
	}
	return i * i, nil
}
