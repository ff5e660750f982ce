package flow_test

import (
	"context"
	"errors"
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

// Who is slow loses the oldest, and nobody waits for him.
func ExampleReceiver_Receive() {
	onVirtualClock(func(ctx context.Context) error {
		numbers := flow.NewBroadcast[int](2) // keeps two
		slow := numbers.Subscribe()
		for i := range 5 {
			numbers.Send(i)
		}
		for slow.Len() > 0 {
			n, missed, err := slow.Receive(ctx)
			if err != nil {
				return err
			}
			fmt.Println(n, "after", missed, "that were missed")
		}
		return nil
	})
	// Output:
	// 3 after 3 that were missed
	// 4 after 0 that were missed
}

// A task that receives, and ends at once when it is told to.
func ExampleReceiver_OnNews() {
	onVirtualClock(func(ctx context.Context) error {
		prices, stop := flow.NewBroadcast[int](100), asyncio.NewEvent()
		receiver := prices.Subscribe()
		flow.After(ctx, time.Second, func() { prices.Send(42) })
		flow.After(ctx, time.Minute, stop.Set)
		for {
			which, err := asyncio.Select(ctx, asyncio.OnSet(stop), receiver.OnNews())
			if err != nil {
				return err
			}
			if which == 0 {
				fmt.Println("stopped at", flow.Now(ctx))
				return nil
			}
			price, _, err := receiver.Receive(ctx) // which need not wait
			if err != nil {
				return err
			}
			fmt.Println(price, "at", flow.Now(ctx))
		}
	})
	// Output:
	// 42 at 1s
	// stopped at 1m0s
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

func ExampleWatch() {
	onVirtualClock(func(ctx context.Context) error {
		level := flow.NewWatch("info")
		watcher := level.Watcher()
		asyncio.CurrentTask(ctx).Loop().CallLater(time.Minute, func() { level.Set("debug") })
		for range 2 {
			now, err := watcher.Next(ctx)
			if err != nil {
				return err
			}
			fmt.Println(flow.Now(ctx), now)
		}
		return nil
	})
	// Output:
	// 0s info
	// 1m0s debug
}

func ExampleRateLimiter() {
	onVirtualClock(func(ctx context.Context) error {
		limit := flow.NewRateLimiter(time.Second, 2)
		for range 4 {
			if err := limit.Wait(ctx); err != nil {
				return err
			}
			fmt.Println("a call at", flow.Now(ctx))
		}
		return nil
	})
	// Output:
	// a call at 0s
	// a call at 0s
	// a call at 1s
	// a call at 2s
}

func ExampleDebounce() {
	onVirtualClock(func(ctx context.Context) error {
		began := flow.Now(ctx)
		save := flow.NewDebounce(time.Second, func() { fmt.Println("saved after", flow.Now(ctx)-began) })
		for range 5 { // somebody types
			save.Call(ctx)
			if err := asyncio.Sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
		return asyncio.Sleep(ctx, time.Minute)
	})
	// Output: saved after 1.8s
}

func ExampleAfter() {
	onVirtualClock(func(ctx context.Context) error {
		began := flow.Now(ctx)
		flow.After(ctx, time.Minute, func() { fmt.Println("after", flow.Now(ctx)-began) })
		never := flow.After(ctx, time.Minute, func() { fmt.Println("never") })
		never.Cancel()
		return asyncio.Sleep(ctx, time.Hour)
	})
	// Output: after 1m0s
}

// A value that comes once is a future, for any number of tasks. What is called oneshot
// elsewhere is this. Whoever was to set it, and has no value, sets an error.
func Example_oneshot() {
	onVirtualClock(func(ctx context.Context) error {
		loop := asyncio.CurrentTask(ctx).Loop()
		ready, lost := asyncio.NewFuture[string](loop), asyncio.NewFuture[string](loop)
		flow.After(ctx, time.Second, func() { ready.SetResult("ready") })
		flow.After(ctx, time.Second, func() { lost.SetError(errors.New("nobody is left who knows")) })
		fmt.Println(asyncio.WaitFor(ctx, time.Minute, ready))
		_, err := lost.Await(ctx)
		fmt.Println(err)
		return nil
	})
	// Output:
	// ready <nil>
	// nobody is left who knows
}

// A write that does not wait, and drops what a slow reader has no room for.
func Example_tryWrite() {
	const room = 64 << 10
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		done := asyncio.NewEvent()
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, _ *asyncio.Stream) error {
			return done.Wait(ctx) // and reads nothing
		})
		if err != nil {
			return err
		}
		defer srv.Close()
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		defer s.Abort()
		for {
			written, err := s.TryWrite(make([]byte, 16<<10), room)
			if err != nil {
				return err
			}
			if !written {
				fmt.Println("dropped; at most 64 KiB wait:", s.WriteBufferSize() <= room)
				done.Set()
				return nil
			}
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: dropped; at most 64 KiB wait: true
}
