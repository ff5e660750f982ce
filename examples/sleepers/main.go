// Command sleepers starts three tasks that sleep for different times. They end
// in the order of their sleep, and all of it takes as long as the longest.
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
	began := time.Now()
	err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for _, d := range []time.Duration{1500 * time.Millisecond, 500 * time.Millisecond, time.Second} {
			fmt.Println("starting a sleep of", d)
			g.Go(func(ctx context.Context) error { return sleep(ctx, d) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println("all three took", time.Since(began).Round(100*time.Millisecond))
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := asyncio.Sleep(ctx, d); err != nil {
		return err
	}
	fmt.Println("slept for", d)
	return nil
}
