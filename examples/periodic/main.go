// Command periodic runs a job every minute, at the minute, however long it takes,
// and never twice at the same time: what it has missed is left out. A job that
// fails does not end the others. It runs on the virtual clock, so it takes no time.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/asyncio-go/asyncio"
)

// every calls job once in each period until it is cancelled. What job takes is not
// added up, as it would be if each call slept for a period after the one before.
func every(ctx context.Context, period time.Duration, job func(context.Context) error) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	for at := loop.Time() + period; ; {
		if err := asyncio.Sleep(ctx, at-loop.Time()); err != nil {
			return err
		}
		if err := job(ctx); asyncio.IsCancelled(err) {
			return err
		} else if err != nil {
			fmt.Println("the job failed:", err)
		}
		for at += period; at <= loop.Time(); at += period {
			fmt.Println("left out:", at)
		}
	}
}

func main() {
	if err := asyncio.Run(context.Background(), run, asyncio.WithVirtualClock()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	takes := []time.Duration{time.Second, 90 * time.Second, time.Second}
	ended, err := asyncio.MoveOnAfter(ctx, 6*time.Minute, func(ctx context.Context) error {
		return every(ctx, time.Minute, func(ctx context.Context) error {
			fmt.Println("the job at", loop.Time())
			if len(takes) == 0 {
				return errors.New("there is nothing to do")
			}
			d := takes[0]
			takes = takes[1:]
			return asyncio.Sleep(ctx, d)
		})
	})
	fmt.Println("ended:", ended)
	return err
}
