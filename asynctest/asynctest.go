// Package asynctest is for tests of code that runs on a loop. [Run] is such a test in one
// line: on a virtual clock, where an hour's sleep takes no time and all happens in the
// same order each time, and with an eye on what tests forget to look at: tasks that are
// left behind, errors that nobody has seen, loops that stand still.
//
//	func TestTheJobRunsEachMinute(t *testing.T) {
//		asynctest.Run(t, func(ctx context.Context) {
//			events := asynctest.NewEvents(ctx)
//			...
//			events.Want(t, "1m0s the job has run", "2m0s the job has run")
//		})
//	}
//
// The virtual clock stands still while a thread is at work, or a goroutine is waited for by
// WrapChan, WrapFuture or a Select over channels: the test goes on when those do.
package asynctest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// An Option is an option of [Run].
type Option interface{ apply(*options) }

type option func(*options)

func (f option) apply(o *options) { f(o) }

type options struct {
	loop      []asyncio.Option
	realClock bool
	tasksLeft bool
}

// WithLoop makes the test's loop with these options, after those of the test's own.
func WithLoop(opts ...asyncio.Option) Option {
	return option(func(o *options) { o.loop = append(o.loop, opts...) })
}

// WithRealClock runs the test on the system's clock, with its network. A loop that stands
// still for a second, and not for ten, fails the test then.
func WithRealClock() Option { return option(func(o *options) { o.realClock = true }) }

// WithTasksLeft lets the body return while tasks that it has started have not ended. They
// are cancelled then, as [asyncio.Run] does.
func WithTasksLeft() Option { return option(func(o *options) { o.tasksLeft = true }) }

// How long a loop may stand still. On the virtual clock nothing is late because of that: it
// matters where the test would hang, and a test that computes may take its time.
var (
	stallLimit        = time.Second
	virtualStallLimit = 10 * time.Second
)

// Run runs body as a coroutine, on a loop of its own with a virtual clock, until it has
// returned. The test fails
//
//   - when tasks are left then that have not ended, each with where it stands,
//   - when the error of a task or a future was never looked at, or a callback has panicked,
//   - when nothing can happen any more, with who waits for what ([asyncio.DeadlockError]),
//   - when the loop stands still for ten seconds, blocked by something that knows nothing of
//     loops, with the line at which it is,
//   - when the context of the test ends first.
//
// In body, and in each task, t.FailNow and t.Fatal end the test as usual. Run is for the
// test's goroutine.
func Run(t testing.TB, body func(ctx context.Context), opts ...Option) {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt.apply(&o)
	}
	w := &watcher{t: t, tasksLeft: o.tasksLeft}
	defer w.watchStalls()()
	loopOptions := []asyncio.Option{asyncio.WithExceptionHandler(w.heard), asyncio.WithInterrupts(false)}
	if o.realClock {
		loopOptions = append(loopOptions, asyncio.WithStallWatch(stallLimit))
	} else {
		loopOptions = append(loopOptions, asyncio.WithVirtualClock(), asyncio.WithStallWatch(virtualStallLimit))
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		w.loop.Store(asyncio.CurrentTask(ctx).Loop())
		body(ctx)
		w.lookForTasks(ctx)
		return nil
	}, append(loopOptions, o.loop...)...)
	if err != nil {
		t.Errorf("asynctest: %s", describe(err))
	}
}

// lookForTasks fails the test for each task that is left.
func (w *watcher) lookForTasks(ctx context.Context) {
	if w.tasksLeft {
		return
	}
	self := asyncio.CurrentTask(ctx)
	var b strings.Builder
	n := 0
	for _, task := range asyncio.AllTasks(ctx) {
		if task == self {
			continue
		}
		n++
		if len(task.Stack()) == 0 {
			fmt.Fprintf(&b, "%s, which has not begun\n", task.Name())
			continue
		}
		_ = task.PrintStack(&b)
	}
	if n > 0 {
		w.t.Errorf("asynctest: %s left when the test returned:\n%s", plural(n, "task was", "tasks were"), b.String())
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// heard is the loop's exception handler: what the loop has to report fails the test.
func (w *watcher) heard(_ *asyncio.Loop, c asyncio.ExceptionContext) {
	text := c.Message
	if c.Task != nil {
		text += " (" + c.Task.Name() + ")"
	}
	if c.Err != nil {
		text += ": " + describe(c.Err)
	}
	w.t.Errorf("asynctest: %s", text)
}

// describe returns the text of an error, and where it was if it was a panic.
func describe(err error) string {
	if p, ok := errors.AsType[*asyncio.PanicError](err); ok {
		return err.Error() + "\n" + string(p.Stack)
	}
	return err.Error()
}
