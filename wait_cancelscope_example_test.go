package asyncio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A scope that was cancelled ends also what drops errors.
func ExampleCancelScope() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var scope asyncio.CancelScope
		loop.CallLater(3*time.Second, scope.Cancel)
		err = scope.Run(ctx, func(ctx context.Context) error {
			for {
				//asyncvet:ignore swallow the example is of what a scope makes of it
				_ = asyncio.Sleep(ctx, 2*time.Second) // dropped
				fmt.Println("at", loop.Time())
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
		fmt.Println("cancelled:", scope.Caught(), err)
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// at 2s
	// at 3s
	// cancelled: true <nil>
}

func ExampleCancelScope_SetShield() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Minute)
			var cleanup asyncio.CancelScope
			cleanup.SetShield(true) // the time is over, and saying goodbye takes a while
			if err := cleanup.Run(ctx, func(ctx context.Context) error {
				return asyncio.Sleep(ctx, time.Second)
			}); err != nil {
				return err
			}
			fmt.Println("goodbye")
			return err
		})
		fmt.Println("ended:", ended)
		return err
	}, asyncio.WithVirtualClock())
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// goodbye
	// ended: true
}

func ExampleMoveOnAfter() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		page := "nothing yet"
		ended, err := asyncio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			page = "a page"
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println(page, ended)
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		fmt.Println(err)
	}
	// Output: nothing yet true
}

// A graceful end: what comes after WaitDone runs in a task that was cancelled, and
// the time limit of what it derives holds all the same.
func ExampleWaitDone() {
	ctx, stop := context.WithCancel(context.Background())
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.CallLater(10*time.Millisecond, stop) // as a signal does
		why := asyncio.WaitDone(ctx)

		limited, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		fmt.Println(asyncio.Sleep(limited, time.Hour)) // all that is to be done yet
		return why
	})
	fmt.Println(err)
	// Output:
	// context deadline exceeded
	// asyncio: run: context canceled
}
