package asynctest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

// A printer stands for the *testing.T of a test, and prints the first line of each failure.
type printer struct{ testing.TB }

func (printer) Helper()                  {}
func (printer) Context() context.Context { return context.Background() }

func (printer) Errorf(format string, args ...any) {
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Println(line)
}

// An hour on the virtual clock takes no time.
func ExampleRun() {
	var t printer // in a test: t *testing.T
	asynctest.Run(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			return asyncio.Sleep(ctx, 2*time.Hour)
		})
		fmt.Println(err)
	})
	// Output: asyncio: timed out
}

// What a test has forgotten fails it: a task that goes on, an error that nobody has looked at.
func ExampleRun_forgotten() {
	var t printer
	asynctest.Run(t, func(ctx context.Context) {
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		asyncio.Go(ctx, func(context.Context) error { return errors.New("no such user") })
		asyncio.Sleep(ctx, time.Second)
	})
	// Output:
	// asynctest: 1 task was left when the test returned:
	// asynctest: the error of a task was never retrieved (Task-3): no such user
}

// A test that waits for what will never happen fails at once.
func ExampleRun_stall() {
	var t printer
	asynctest.Run(t, func(ctx context.Context) {
		asyncio.NewEvent().Wait(ctx)
	})
	// Output: asynctest: asyncio: deadlock: nothing is ready, no timer is set and nobody outside is at work
}

// What happened, in its order and with its times. Golden compares with a file instead.
func ExampleEvents() {
	var t printer
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 3 {
				g.Go(func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Duration(3-i)*time.Second)
					events.Add("task %d is done", i)
					return err
				})
			}
			return nil
		})
		events.Add("all are: %v", err)
		fmt.Println(strings.Join(events.Lines(), "\n"))
		events.Want(t, "1s task 2 is done", "2s task 1 is done", "3s task 0 is done", "3s all are: <nil>")
	})
	// Output:
	// 1s task 2 is done
	// 2s task 1 is done
	// 3s task 0 is done
	// 3s all are: <nil>
}
