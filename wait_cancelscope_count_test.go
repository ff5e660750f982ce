package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A scope takes back what it has asked of its task, and nothing that others have.
func TestCancellingAfterAScope(t *testing.T) {
	sleep := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
	for name, c := range map[string]struct {
		body func(ctx context.Context, task *asyncio.Task[struct{}]) error
		want int
	}{
		"Task.Cancel in a scope": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var s asyncio.CancelScope
			return s.Run(ctx, func(ctx context.Context) error { task.Cancel(); return sleep(ctx) })
		}, 1},
		"a scope's own": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var s asyncio.CancelScope
			return s.Run(ctx, func(ctx context.Context) error { s.Cancel(); return sleep(ctx) })
		}, 0},
		"a scope's own, and Task.Cancel": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var s asyncio.CancelScope
			return s.Run(ctx, func(ctx context.Context) error { s.Cancel(); task.Cancel(); return sleep(ctx) })
		}, 1},
		"an outer scope's": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var outer, inner asyncio.CancelScope
			return outer.Run(ctx, func(ctx context.Context) error {
				return inner.Run(ctx, func(ctx context.Context) error { outer.Cancel(); return sleep(ctx) })
			})
		}, 0},
		"both scopes'": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var outer, inner asyncio.CancelScope
			return outer.Run(ctx, func(ctx context.Context) error {
				outer.Cancel()
				err := inner.Run(ctx, func(ctx context.Context) error { inner.Cancel(); return sleep(ctx) })
				if task.Cancelling() == 0 {
					t.Error("nothing is left of the outer scope's between the two")
				}
				return err
			})
		}, 0},
		"both scopes', the inner a shield": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var outer, inner asyncio.CancelScope
			inner.SetShield(true)
			return outer.Run(ctx, func(ctx context.Context) error {
				outer.Cancel()
				if err := inner.Run(ctx, func(ctx context.Context) error { inner.Cancel(); return sleep(ctx) }); err != nil {
					return err
				}
				return sleep(ctx)
			})
		}, 0},
		"a failed group's in a scope": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			var s asyncio.CancelScope
			_ = s.Run(ctx, func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					g.Go(func(context.Context) error { return errBoom })
					return sleep(ctx)
				})
			})
			return nil
		}, 0},
		"Task.Cancel twice, over a shielded task of a group": {func(ctx context.Context, task *asyncio.Task[struct{}]) error {
			done := asyncio.NewEvent()
			l := loopOf(ctx)
			l.CallLater(time.Second, func() { task.Cancel() })
			l.CallLater(2*time.Second, func() { task.Cancel() })
			l.CallLater(3*time.Second, done.Set)
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					for !done.IsSet() {
						_ = done.Wait(ctx)
					}
					return nil
				})
				return nil
			})
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(ctx context.Context) {
				var task *asyncio.Task[struct{}]
				task = asyncio.Go(ctx, func(ctx context.Context) error {
					err := c.body(ctx, task)
					if n := task.Cancelling(); n != c.want {
						t.Errorf("Cancelling is %d, want %d", n, c.want)
					}
					if got := asyncio.IsCancelled(err); got != (c.want > 0) {
						t.Errorf("it ended with %v", err)
					}
					return nil
				})
				if _, err := task.Await(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A task that was cancelled cleans up in a scope of its own, which is cancelled too.
func TestAScopeCatchesItsOwnWhileATaskCleansUp(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Hour)
			var s asyncio.CancelScope
			scoped(t, ctx, &s, func(ctx context.Context) error {
				s.Cancel()
				if err := pause(ctx); err != nil {
					return &asyncio.CancelledError{Cause: err}
				}
				return nil
			})
			return err
		})
		pause(ctx)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
	})
}
