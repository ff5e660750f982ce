// Command callback has callbacks run when tasks are done, each with arguments
// of its own, bound by a closure.
package main

import (
	"context"
	"errors"
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
	var tasks []asyncio.Awaitable
	for i, order := range []string{"tea", "coffee", "soup"} {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return prepare(ctx, order)
		})
		task.AddDoneCallback(func() { serve(task, i+1) })
		tasks = append(tasks, task)
	}
	_, _, err := asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, tasks...)
	return err
}

func prepare(ctx context.Context, order string) (string, error) {
	if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	if order == "soup" {
		return "", errors.New("there is no soup left")
	}
	return "a cup of " + order, nil
}

// serve is the callback. It runs on the loop, and cannot wait.
func serve(task *asyncio.Task[string], table int) {
	dish, err := task.Result()
	if err != nil {
		fmt.Printf("table %d gets an excuse: %v\n", table, err)
		return
	}
	fmt.Printf("table %d gets %s\n", table, dish)
}
