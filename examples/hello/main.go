// Command hello says hello, sleeps for a second without blocking anything, and
// says goodbye.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := asyncio.Run(context.Background(), hello); err != nil {
		log.Fatal(err)
	}
}

// hello is a coroutine: a function that gets the loop's context and may wait.
func hello(ctx context.Context) error {
	fmt.Println("Hello ...")
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	fmt.Println("... and goodbye!")
	return nil
}
