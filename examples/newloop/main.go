// Command newloop closes a loop and uses it again, which is an error, and then
// makes a new one. Most programs leave that to asyncio.Run.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	loop, err := asyncio.NewLoop()
	if err != nil {
		return err
	}
	if err := greetOn(loop, "the first loop"); err != nil {
		return err
	}
	if err := loop.Close(); err != nil {
		return err
	}

	err = greetOn(loop, "a closed loop")
	if !errors.Is(err, asyncio.ErrLoopClosed) {
		return fmt.Errorf("a closed loop gave %v", err)
	}
	fmt.Println("used again:", err)

	loop, err = asyncio.NewLoop()
	if err != nil {
		return err
	}
	defer loop.Close()
	return greetOn(loop, "a new loop")
}

// greetOn runs a task on the loop until it is done.
func greetOn(loop *asyncio.Loop, name string) error {
	return loop.RunUntilComplete(asyncio.CreateTaskOn(loop, func(ctx context.Context) (struct{}, error) {
		fmt.Println("hello from", name)
		return struct{}{}, asyncio.Sleep(ctx, 0)
	}))
}
