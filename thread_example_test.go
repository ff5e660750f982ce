package asyncio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Another goroutine has something done on the loop.
func ExampleLoop_CallSoonThreadsafe() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		temperature := asyncio.NewQueue[int](0)
		go func() { // a sensor's library calls back, on a goroutine of its own
			for _, degrees := range []int{19, 20} {
				_, err := loop.CallSoonThreadsafe(func() { _ = temperature.PutNowait(degrees) })
				if err != nil {
					return // the loop is closed
				}
			}
		}()
		for range 2 {
			degrees, err := temperature.Get(ctx)
			if err != nil {
				return err
			}
			fmt.Println(degrees, "degrees")
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 19 degrees
	// 20 degrees
}

// A future that a callback on another goroutine settles.
func ExampleNewThreadsafeFuture() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		answer, settle := asyncio.NewThreadsafeFuture[string](loop)
		time.AfterFunc(time.Millisecond, func() {
			_ = settle("from a timer's goroutine", nil) // the error: the loop is closed
		})
		text, err := answer.Await(ctx)
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: from a timer's goroutine
}

// A worker takes a job, news from a goroutine, or a rest when there is nothing; and nothing of
// what it does not take is lost.
func ExampleSelect() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		jobs := asyncio.NewQueue[string](10)
		news := make(chan string, 1)
		if err := jobs.PutNowait("a job"); err != nil {
			return err
		}
		news <- "news"
		for _, patience := range []time.Duration{time.Minute, time.Minute, time.Millisecond} {
			var text string
			which, err := asyncio.Select(ctx,
				asyncio.OnGet(jobs, &text), asyncio.OnReceive(news, &text), asyncio.OnTimeout(patience))
			if err != nil {
				return err
			}
			fmt.Printf("case %d %q\n", which, text)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// case 0 "a job"
	// case 1 "news"
	// case 2 ""
}
