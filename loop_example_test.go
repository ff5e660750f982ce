package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Two tasks of one loop share a counter, without a lock: between two waits
// nothing else runs.
func Example() {
	count := 0
	work := func(ctx context.Context) error {
		for range 1000 {
			count++
			if err := asyncio.Sleep(ctx, 0); err != nil { // the other one's turn
				return err
			}
		}
		return nil
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(work)
			g.Go(work)
			return nil
		})
	})
	fmt.Println(count, err)
	// Output: 2000 <nil>
}

func ExampleRunValue() {
	answer, err := asyncio.RunValue(context.Background(), func(ctx context.Context) (int, error) {
		return 42, asyncio.Sleep(ctx, time.Millisecond)
	})
	fmt.Println(answer, err)
	// Output: 42 <nil>
}

// A Runner keeps its loop between one main function and the next.
func ExampleRunner() {
	runner, err := asyncio.NewRunner()
	if err != nil {
		log.Fatal(err)
	}
	defer runner.Close()

	var event asyncio.Event
	for range 2 {
		err := runner.Run(context.Background(), func(ctx context.Context) error {
			fmt.Println("set before?", event.IsSet())
			event.Set()
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// set before? false
	// set before? true
}

// An hour passes at once.
func ExampleWithVirtualClock() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, time.Hour); err != nil {
			return err
		}
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		fmt.Println("it is", loop.Time())
		return nil
	}, asyncio.WithVirtualClock())
	fmt.Println(err)
	// Output:
	// it is 1h0m0s
	// <nil>
}

func ExampleCreateTask() {
	run(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, fetch("a page", time.Second), asyncio.WithName("fetcher"))
		fmt.Println("begun:", task.Name())
		page, err := task.Await(ctx)
		fmt.Println("got", page)
		return err
	})
	// Output:
	// begun: fetcher
	// got a page
}

// A task that is cancelled may clean up, waiting if it must, and returns the
// cancellation.
func ExampleTask_Cancel() {
	run(func(ctx context.Context) error {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Hour)
			if asyncio.IsCancelled(err) {
				fmt.Println("cleaning up")
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			return err
		})
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		task.CancelCause(errors.New("the shop closes"))
		_, err := task.Await(ctx)
		fmt.Println(err, errors.Is(err, context.Canceled))
		return nil
	})
	// Output:
	// cleaning up
	// asyncio: cancelled: the shop closes true
}

// A callback returns a future its result, and the task that awaits it goes on.
func ExampleFuture() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		future := asyncio.NewFuture[string](loop)
		loop.CallLater(time.Second, func() {
			if err := future.SetResult("ready"); err != nil {
				fmt.Println(err) // somebody has cancelled it
			}
		})
		result, err := future.Await(ctx)
		fmt.Println(result)
		return err
	})
	// Output: ready
}

func ExampleFuture_AddDoneCallback() {
	run(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, fetch("a page", time.Second))
		task.AddDoneCallback(func() {
			page, err := task.Result()
			fmt.Println("done:", page, err)
		})
		return asyncio.Sleep(ctx, 2*time.Second)
	})
	// Output: done: a page <nil>
}

// What is in a context comes along into the tasks that are made with it.
func ExampleGo_contextValues() {
	type requestKey struct{}
	run(func(ctx context.Context) error {
		ctx = context.WithValue(ctx, requestKey{}, 7)
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			fmt.Println("request", ctx.Value(requestKey{}))
			return nil
		})
		_, err := task.Await(ctx)
		return err
	})
	// Output: request 7
}

// A context that was derived ends the waits that it is given to.
func ExampleSleep_context() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		hurry, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		fmt.Println(asyncio.Sleep(hurry, time.Hour))
		return asyncio.Sleep(ctx, 0) // the task's own goes on
	})
	fmt.Println(err)
	// Output:
	// context deadline exceeded
	// <nil>
}

// The older style: a loop that is made, passed around and closed by hand.
func ExampleLoop_RunUntilComplete() {
	loop, err := asyncio.NewLoop()
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	task := asyncio.CreateTaskOn(loop, fetch("a page", time.Millisecond))
	if err := loop.RunUntilComplete(task); err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Result())
	// Output: a page <nil>
}

func ExampleLoop_CallLater() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.CallLater(2*time.Second, func() { fmt.Println("second") })
		loop.CallLater(time.Second, func() { fmt.Println("first") })
		never := loop.CallLater(time.Second, func() { fmt.Println("never") })
		never.Cancel()
		return asyncio.Sleep(ctx, 3*time.Second)
	})
	// Output:
	// first
	// second
}

// A panic of a callback, and errors that nobody looked at, are told to the
// exception handler.
func ExampleLoop_SetExceptionHandler() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			var p *asyncio.PanicError
			fmt.Println("told of a panic:", errors.As(c.Err, &p), p.Value)
		})
		loop.CallSoon(func() { panic("oops") })
		return asyncio.Sleep(ctx, time.Second)
	})
	// Output: told of a panic: true oops
}

// A function that blocks runs on another goroutine, and the loop goes on.
func ExampleToThread() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		text, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) {
			return os.ReadFile("go.mod")
		})
		fmt.Println(bytes.HasPrefix(text, []byte("module ")))
		return err
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleRunInExecutor() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var sums []*asyncio.Future[int]
		for i := range 3 {
			sums = append(sums, asyncio.RunInExecutor(loop, nil, func(context.Context) (int, error) {
				return i + i, nil // on another core
			}))
		}
		all, err := asyncio.Gather(ctx, sums...)
		fmt.Println(all)
		return err
	})
	fmt.Println(err)
	// Output:
	// [0 2 4]
	// <nil>
}

// Another goroutine runs a coroutine on the loop, and one sends an item.
func ExampleRunCoroutineThreadsafe() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var queue asyncio.Queue[string]
		go func() {
			_, err := loop.CallSoonThreadsafe(func() {
				if err := queue.PutNowait("an item"); err != nil {
					fmt.Println(err)
				}
			})
			if err != nil {
				fmt.Println(err) // the loop is closed
			}
		}()
		item, err := queue.Get(ctx)
		if err != nil {
			return err
		}
		fmt.Println(item)

		length := make(chan int, 1)
		go func() {
			n, err := asyncio.RunCoroutineThreadsafe(context.Background(), loop, func(context.Context) (int, error) {
				return queue.Len(), nil
			})
			if err != nil {
				fmt.Println(err)
			}
			length <- n
		}()
		n, err := asyncio.WrapChan(loop, length).Await(ctx)
		fmt.Println(n, "left")
		return err
	})
	fmt.Println(err)
	// Output:
	// an item
	// 0 left
	// <nil>
}

func ExampleAllTasks() {
	run(func(ctx context.Context) error {
		for _, name := range []string{"ant", "bee"} {
			asyncio.CreateTask(ctx, fetch(name, time.Hour), asyncio.WithName(name))
		}
		for _, task := range asyncio.AllTasks(ctx)[1:] { // the first is main
			fmt.Println(task.Name())
		}
		return nil // Run cancels them
	})
	// Output:
	// ant
	// bee
}
