package asyncio_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

//go:noinline
func waitDeep(ctx context.Context, depth int, f *asyncio.Future[int]) (int, error) {
	if depth == 0 {
		return f.Await(ctx)
	}
	v, err := waitDeep(ctx, depth-1, f)
	return v + 1, err
}

func functions(t asyncio.AnyTask) []string {
	var names []string
	for _, f := range t.Stack() {
		names = append(names, f.Function[strings.LastIndexByte(f.Function, '/')+1:])
	}
	return names
}

func TestStackOfASuspendedTaskShowsWhereItStands(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		f := asyncio.NewFuture[int](must(asyncio.RunningLoop(ctx)))
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return waitDeep(ctx, 3, f) }, asyncio.WithName("deep"))
		if s := task.Stack(); s != nil {
			t.Errorf("before its first step: %v", s)
		}
		asyncio.Sleep(ctx, 0)
		for range 3 { // to look changes nothing
			got := functions(task)
			if len(got) != 6 || got[0] != "asyncio.(*Future[...]).Await" || got[1] != "asyncio_test.waitDeep" || !strings.Contains(got[5], "TestStackOf") {
				t.Fatalf("the stack is %q", got)
			}
		}
		var out strings.Builder
		if err := task.PrintStack(&out); err != nil || !strings.HasPrefix(out.String(), "deep, ") || !strings.Contains(out.String(), "stack_test.go:") {
			t.Errorf("PrintStack wrote %v\n%s", err, out.String())
		}
		f.SetResult(1)
		if v, err := task.Await(ctx); v != 4 || err != nil {
			t.Errorf("the task then gave %d, %v", v, err)
		}
		if s := task.Stack(); s != nil {
			t.Errorf("after its end: %v", s)
		}
	})
}

func TestStackOfATaskThatIsReadyAndOfTheRunningOne(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
		asyncio.Sleep(ctx, 0)
		if got := functions(task); len(got) != 2 || got[0] != "asyncio.Sleep" {
			t.Errorf("a ready task: %q", got)
		}
		self := functions(asyncio.CurrentTask(ctx))
		if len(self) < 2 || self[0] != "asyncio_test.functions" {
			t.Errorf("the running task: %q", self)
		}
		task.Await(ctx)
	})
}

func TestStackOfATaskThatStartsAnotherEagerly(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		outer := asyncio.CurrentTask(ctx)
		asyncio.Go(ctx, func(context.Context) error {
			if got := functions(outer); len(got) < 2 || got[0] != "asyncio.Go" {
				t.Errorf("got %q", got)
			}
			return nil
		}, asyncio.WithEagerStart())
	})
}

func TestTasksLookAtEachOther(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var tasks []*asyncio.Task[struct{}]
		for range 20 {
			tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
				for range 5 {
					for _, other := range tasks {
						if !other.Done() && len(other.Stack()) == 0 {
							t.Error("a task has no stack")
						}
					}
					asyncio.Sleep(ctx, time.Second)
				}
				return nil
			}, asyncio.WithEagerStart()))
		}
		for _, task := range tasks {
			task.Await(ctx)
		}
	})
}

func TestStackFromAnotherGoroutineIsNotThere(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		self := asyncio.CurrentTask(ctx)
		frames, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return len(self.Stack()), nil })
		if frames != 0 || err != nil {
			t.Errorf("got %d frames, %v", frames, err)
		}
	})
}
