package flow_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/flow"
)

func onVirtualClock(main func(ctx context.Context) error) {
	if err := asyncio.Run(context.Background(), main, asyncio.WithVirtualClock()); err != nil {
		fmt.Println(err)
	}
}

func ExampleEvery() {
	onVirtualClock(func(ctx context.Context) error {
		for tick, err := range flow.Every(ctx, time.Minute) {
			if err != nil {
				return err
			}
			fmt.Println("tick", tick.At)
			if tick.At >= 3*time.Minute {
				break
			}
		}
		return nil
	})
	// Output:
	// tick 1m0s
	// tick 2m0s
	// tick 3m0s
}

func ExampleBroadcast() {
	onVirtualClock(func(ctx context.Context) error {
		lines := flow.NewBroadcast[string](100)
		receiver := lines.Subscribe()
		lines.Send("hello")
		lines.Send("all")
		lines.Close()
		for line, err := range receiver.All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
		return nil
	})
	// Output:
	// hello
	// all
}

func ExampleRetry() {
	onVirtualClock(func(ctx context.Context) error {
		tries := 0
		err := flow.Retry(ctx, flow.Retries{First: time.Second}, func(ctx context.Context) error {
			if tries++; tries < 3 {
				return fmt.Errorf("not yet")
			}
			return nil
		})
		fmt.Println(tries, err)
		return nil
	})
	// Output: 3 <nil>
}

func ExampleSingleflight() {
	onVirtualClock(func(ctx context.Context) error {
		var pages flow.Singleflight[string, string]
		fetch := func(ctx context.Context) (string, error) {
			fmt.Println("fetched")
			return "page", asyncio.Sleep(ctx, time.Second)
		}
		get := func(ctx context.Context) (string, error) {
			page, _, err := pages.Do(ctx, "/", fetch)
			return page, err
		}
		all, err := asyncio.Gather(ctx, asyncio.CreateTask(ctx, get), asyncio.CreateTask(ctx, get))
		fmt.Println(all)
		return err
	})
	// Output:
	// fetched
	// [page page]
}
