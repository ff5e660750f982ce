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

// A worker takes a job from a queue, news from a channel, or a rest when there is nothing,
// until a future says that it is enough; and nothing of what it does not take is lost.
func ExampleSelect() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		jobs := asyncio.NewQueue[string](10)
		news := make(chan string, 1)
		enough := asyncio.NewFuture[string](loop)
		if err := jobs.PutNowait("a job"); err != nil {
			return err
		}
		news <- "news"
		for {
			var text string
			which, err := asyncio.Select(ctx,
				asyncio.OnDone(enough),
				asyncio.OnGet(jobs, &text),
				asyncio.OnReceive(news, &text),
				asyncio.OnTimeout(time.Millisecond))
			if err != nil {
				return err
			}
			switch which {
			case 0:
				why, err := enough.Result()
				fmt.Println("the end:", why)
				return err
			case 1, 2:
				fmt.Println(text)
			case 3:
				fmt.Println("nothing to do")
				enough.SetResult("it was a long day")
			}
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// a job
	// news
	// nothing to do
	// the end: it was a long day
}
