package asyncio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// awaiters returns the names in a call graph, as "a<b,c" for an a that b and c
// await.
func awaiters(g *asyncio.CallGraph) string {
	s := g.Name
	if g.Again {
		s += "!"
	}
	if len(g.AwaitedBy) == 0 {
		return s
	}
	var by []string
	for _, b := range g.AwaitedBy {
		by = append(by, awaiters(b))
	}
	return s + "<(" + strings.Join(by, " ") + ")"
}

func TestCallGraphShowsWhoAwaitsWhom(t *testing.T) {
	type awaitFunc = func(ctx context.Context, aw *asyncio.Task[struct{}]) error
	for name, wait := range map[string]awaitFunc{
		"Await": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, err := aw.Await(ctx)
			return err
		},
		"Gather": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, err := asyncio.Gather[struct{}](ctx, aw)
			return err
		},
		"GatherFuture": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, err := asyncio.GatherFuture(aw.Loop(), asyncio.GatherFuture(aw.Loop(), aw)).Await(ctx)
			return err
		},
		"Shield": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, err := asyncio.Shield[struct{}](ctx, aw)
			return err
		},
		"Wait": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, _, err := asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, aw)
			return err
		},
		"WaitFor": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			_, err := asyncio.WaitFor(ctx, time.Hour, aw)
			return err
		},
		"AsCompleted": func(ctx context.Context, aw *asyncio.Task[struct{}]) error {
			for _, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, aw) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualClock(t, func(t *testing.T, ctx context.Context) {
				leaf := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }, asyncio.WithName("leaf"))
				for _, name := range []string{"one", "two"} {
					asyncio.Go(ctx, func(ctx context.Context) error { return wait(ctx, leaf) }, asyncio.WithName(name))
				}
				asyncio.Sleep(ctx, 0)
				if got := awaiters(asyncio.CaptureCallGraph(leaf)); name != "AsCompleted" && got != "leaf<(one two)" || !strings.HasPrefix(got, "leaf<(one") {
					t.Errorf("the graph is %s", got)
				}
				asyncio.Sleep(ctx, time.Minute)
			})
		})
	}
}

func TestCallGraphOfAGroupAndOfChains(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		asyncio.CurrentTask(ctx).SetName("main")
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			leaf := g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("leaf"))
			g.Go(func(ctx context.Context) error { _, err := leaf.Await(ctx); return err }, asyncio.WithName("other"))
			g.Go(func(ctx context.Context) error {
				graph := asyncio.CaptureCallGraph(leaf)
				if got := awaiters(graph); got != "leaf<(main other<(main!))" {
					t.Errorf("the graph is %s", got)
				}
				text := asyncio.FormatCallGraph(leaf)
				for _, want := range []string{"* leaf", "awaited by:", "* other", "(see above)", "asyncio.Sleep", "callgraph_test.go:"} {
					if !strings.Contains(text, want) {
						t.Errorf("there is no %q in:\n%s", want, text)
					}
				}
				var out strings.Builder
				if err := asyncio.PrintCallGraph(&out, leaf); err != nil || out.String() != text {
					t.Errorf("PrintCallGraph wrote %v\n%s", err, out.String())
				}
				return nil
			})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCallGraphOfAFuture(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		f := asyncio.NewFuture[int](must(asyncio.RunningLoop(ctx)))
		task := asyncio.Go(ctx, func(ctx context.Context) error { _, err := f.Await(ctx); return err }, asyncio.WithName("waiter"))
		asyncio.Sleep(ctx, 0)
		if got := awaiters(asyncio.CaptureCallGraph(f)); got != "a future<(waiter)" {
			t.Errorf("the graph is %s", got)
		}
		f.SetResult(1)
		task.Await(ctx)
	})
}

func deadlock(t *testing.T, main func(ctx context.Context) error) *asyncio.DeadlockError {
	t.Helper()
	err := asyncio.Run(t.Context(), main, asyncio.WithVirtualClock())
	var d *asyncio.DeadlockError
	if !errors.Is(err, asyncio.ErrDeadlock) || !errors.As(err, &d) {
		t.Fatalf("Run gave %v", err)
	}
	return d
}

func TestDeadlockPrintsWhoWaitsForWhat(t *testing.T) {
	d := deadlock(t, func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("main")
		var lock asyncio.Lock
		lock.Acquire(ctx)
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(lock.Acquire, asyncio.WithName("wants the lock"))
			_, err := asyncio.NewQueue[int](0).Get(ctx)
			return err
		})
	})
	text := d.Error()
	for _, want := range []string{"deadlock", "main waits in asyncio.(*Queue[...]).Get", "└─ wants the lock waits in asyncio.(*Lock).Acquire", "callgraph_test.go:"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in:\n%s", want, text)
		}
	}
}

func TestDeadlockOfTasksInACircle(t *testing.T) {
	d := deadlock(t, func(ctx context.Context) error {
		var two *asyncio.Task[struct{}]
		one := asyncio.Go(ctx, func(ctx context.Context) error { _, err := two.Await(ctx); return err }, asyncio.WithName("one"))
		two = asyncio.Go(ctx, func(ctx context.Context) error { _, err := one.Await(ctx); return err }, asyncio.WithName("two"))
		_, err := one.Await(ctx)
		return err
	})
	text := d.Graph.String()
	if strings.Count(text, "\n") != 4 || !strings.Contains(text, "one (see above)") {
		t.Errorf("the graph is\n%s", text)
	}
}

func TestDeadlockWithoutTasksHasNoGraph(t *testing.T) {
	l := newLoop(t, asyncio.WithVirtualClock())
	err := l.RunForever()
	var d *asyncio.DeadlockError
	if !errors.Is(err, asyncio.ErrDeadlock) || errors.As(err, &d) {
		t.Errorf("got %v", err)
	}
}

func TestWaitGraphIsBounded(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for range 700 {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
		}
		g := must(asyncio.RunningLoop(ctx)).WaitGraph()
		if len(g.Roots) != 500 || g.Omitted != 201 || !strings.Contains(g.String(), "and 201 more") || g.Roots[0].State != "runs" || g.Roots[1].State != "not started" {
			t.Errorf("%d roots, %d omitted", len(g.Roots), g.Omitted)
		}
	})
}

func TestWaitGraphFromAnotherGoroutine(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("sleeper"))
		text, err := asyncio.ToThread(ctx, func(ctx context.Context) (string, error) {
			g, err := asyncio.CaptureWaitGraph(ctx, l)
			return g.String(), err
		})
		if err != nil || !strings.Contains(text, "waits in asyncio.ToThread") || !strings.Contains(text, "sleeper waits in asyncio.Sleep until") {
			t.Errorf("%v\n%s", err, text)
		}
		if _, err := asyncio.CaptureWaitGraph(ctx, l); !errors.Is(err, asyncio.ErrLoopRunning) {
			t.Errorf("on the loop's goroutine it gave %v", err)
		}
	})
}
