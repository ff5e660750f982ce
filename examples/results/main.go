// Command results passes a result in two ways: through a future, which
// somebody sets, and through a task, which returns it.
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

	// A future is a result that is not there yet. Here a timer sets it.
	future := asyncio.NewFuture[string](loop)
	loop.CallLater(100*time.Millisecond, func() { future.SetResult("set by a callback") })

	// A task is a future too: for what its function returns.
	task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
		return sum(ctx, 1, 2, 3)
	})

	text, err := future.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Println("the future:", text)

	n, err := task.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Println("the task:", n)
	return nil
}

func sum(ctx context.Context, numbers ...int) (total int, err error) {
	for _, n := range numbers {
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
