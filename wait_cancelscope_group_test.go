package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestACancelledScopeCancelsTheTasksOfItsGroups(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		started, ended := 0, 0
		task := func(ctx context.Context) error {
			started++
			err := asyncio.Sleep(ctx, time.Hour)
			ended++
			return err
		}
		loopOf(ctx).CallLater(time.Second, s.Cancel)
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(task)
				g.Go(func(ctx context.Context) error {
					err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
						g.Go(task)
						return asyncio.Sleep(ctx, time.Hour)
					})
					if !asyncio.IsCancelled(err) {
						t.Errorf("the group inside gave %v", err)
					}
					return err
				})
				return nil
			})
		})
		if started != 2 || ended != 2 || !s.Caught() || now(ctx) != time.Second {
			t.Errorf("%d started, %d ended, caught %v, at %v", started, ended, s.Caught(), now(ctx))
		}
	})
}

func TestATaskStartedBeforeItsScopeIsCancelledRunsToItsFirstWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		marks := 0
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					marks++
					if err := pause(ctx); err != nil {
						return err
					}
					marks++
					return nil
				})
				s.Cancel()
				return nil
			})
		})
		if marks != 1 || !s.Caught() {
			t.Errorf("%d marks, caught %v", marks, s.Caught())
		}
	})
}

// The parent cleans up under a shield, and waits for what the cancellation does to a
// task of the group.
func TestTasksOfAGroupAreCancelledWhileItsParentIsShielded(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		cancelled := asyncio.NewEvent()
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Hour)
					cancelled.Set()
					return err
				})
				pause(ctx)
				var shield asyncio.CancelScope
				shield.SetShield(true)
				return shield.Run(ctx, func(ctx context.Context) error {
					s.Cancel()
					return asyncio.FailAfter(ctx, time.Second, cancelled.Wait)
				})
			})
		})
		if !s.Caught() || now(ctx) != 0 {
			t.Errorf("caught %v at %v", s.Caught(), now(ctx))
		}
	})
}

func TestATaskOfAGroupKeepsItsShield(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		cleaned := false
		loopOf(ctx).CallLater(time.Second, s.Cancel)
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					var shield asyncio.CancelScope
					shield.SetShield(true)
					scoped(t, ctx, &shield, func(ctx context.Context) error {
						if err := asyncio.Sleep(ctx, time.Minute); err != nil {
							t.Error("a wait under the shield: ", err)
						}
						cleaned = true
						return nil
					})
					err := pause(ctx)
					if !asyncio.IsCancelled(err) {
						t.Errorf("a wait after the shield gave %v", err)
					}
					return err
				})
				return nil
			})
		})
		if !cleaned || !s.Caught() || now(ctx) != time.Minute {
			t.Errorf("cleaned %v, caught %v, at %v", cleaned, s.Caught(), now(ctx))
		}
	})
}

func TestAShieldAroundAGroupKeepsItsTasks(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s, shield asyncio.CancelScope
		shield.SetShield(true)
		loopOf(ctx).CallLater(time.Second, s.Cancel)
		loopOf(ctx).CallLater(3*time.Second, func() { shield.SetShield(false) })
		woke := 0
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return shield.Run(ctx, func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 2 {
						g.Go(func(ctx context.Context) error {
							if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
								return err
							}
							woke++
							return asyncio.Sleep(ctx, time.Hour)
						})
					}
					return nil
				})
			})
		})
		if woke != 2 || !s.Caught() || now(ctx) != 3*time.Second {
			t.Errorf("%d woke, caught %v, at %v", woke, s.Caught(), now(ctx))
		}
	})
}

func TestAScopeInATaskOfAGroupEndsThatTaskAlone(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		others := 0
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				return s.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			})
			for range 2 {
				g.Go(func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Minute)
					others++
					return err
				})
			}
			pause(ctx)
			s.Cancel() // from another task
			return asyncio.Sleep(ctx, time.Second)
		})
		if err != nil || others != 2 || !s.Caught() {
			t.Errorf("%v, %d others, caught %v", err, others, s.Caught())
		}
	})
}

func TestFailAfterAroundAGroupIsATimeout(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		wantTimeout(t, asyncio.FailAfter(ctx, time.Second, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				return asyncio.Sleep(ctx, time.Hour)
			})
		}))
		if now(ctx) != time.Second {
			t.Error(now(ctx))
		}
	})
}

func TestAGroupInACancelledScopeIsCancelledAsOne(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		scoped(t, ctx, &s, func(ctx context.Context) error {
			err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				pause(ctx)
				s.Cancel()
				return asyncio.Sleep(ctx, time.Hour)
			})
			var cancelled *asyncio.CancelledError
			var group *asyncio.GroupError
			if !errors.As(err, &cancelled) || errors.As(err, &group) {
				t.Errorf("%#v", err)
			}
			return err
		})
		// A group with nothing in it has nothing to wait for.
		var empty asyncio.CancelScope
		scoped(t, ctx, &empty, func(ctx context.Context) error {
			empty.Cancel()
			if err := asyncio.Group(ctx, func(context.Context, *asyncio.TaskGroup) error { return nil }); err != nil {
				t.Errorf("an empty group gave %v", err)
			}
			return nil
		})
	})
}

func TestErrorsOfTasksThatCleanUpInACancelledScope(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		loopOf(ctx).CallLater(time.Second, s.Cancel)
		err := s.Run(ctx, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return errBoom
				})
				return asyncio.Sleep(ctx, time.Hour)
			})
		})
		var group *asyncio.GroupError
		if !errors.As(err, &group) || len(group.Errors) != 1 || group.Errors[0] != errBoom || s.Caught() {
			t.Errorf("%v, caught %v", err, s.Caught())
		}
		if n := asyncio.CurrentTask(ctx).Cancelling(); n != 0 {
			t.Errorf("%d cancellations are left", n)
		}
		if err := pause(ctx); err != nil {
			t.Errorf("a wait after the scope gave %v", err)
		}
	})
}

func TestATaskStartedInACancelledScopeEndsAtItsFirstWait(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		var s asyncio.CancelScope
		steps := 0
		child := func(ctx context.Context) error {
			steps++
			var own asyncio.CancelScope
			if err := own.Run(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }); err != nil {
				return err
			}
			t.Error("it went on")
			return nil
		}
		scoped(t, ctx, &s, func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				s.Cancel()
				g.Go(child)
				var shield asyncio.CancelScope
				shield.SetShield(true)
				return shield.Run(ctx, func(ctx context.Context) error {
					g.Go(child)
					return asyncio.Sleep(ctx, time.Second)
				})
			})
		})
		if steps != 2 || now(ctx) != time.Second || !s.Caught() {
			t.Errorf("%d steps, at %v, caught %v", steps, now(ctx), s.Caught())
		}
	})
}

// What asyncio's own primitives count must not take the cancellation of a scope outside
// of the shield for one of theirs.
func TestWhatIsUnderAShieldDoesNotSeeTheScopesOutsideOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		body func(ctx context.Context) error
		want func(err error) bool
	}{
		"a group that fails": {func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(context.Context) error { return errBoom })
				return asyncio.Sleep(ctx, time.Hour)
			})
		}, func(err error) bool { return errors.Is(err, errBoom) }},
		"a group that is left": {func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				g.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				g.Cancel()
				return asyncio.Sleep(ctx, time.Hour)
			})
		}, func(err error) bool { return err == nil }},
		"a timeout": {func(ctx context.Context) error {
			return asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}, func(err error) bool {
			var timeout *asyncio.TimeoutError
			return errors.As(err, &timeout)
		}},
	} {
		for when, delay := range map[string]time.Duration{"cancelled before": 0, "cancelled meanwhile": 500 * time.Millisecond} {
			t.Run(name+", "+when, func(t *testing.T) {
				inVirtualTime(t, func(ctx context.Context) {
					var outer, shield asyncio.CancelScope
					shield.SetShield(true)
					scoped(t, ctx, &outer, func(ctx context.Context) error {
						if delay == 0 {
							outer.Cancel()
						} else {
							loopOf(ctx).CallLater(delay, outer.Cancel)
						}
						scoped(t, ctx, &shield, func(ctx context.Context) error {
							if err := c.body(ctx); !c.want(err) {
								t.Errorf("it gave %v", err)
							}
							if err := asyncio.Sleep(ctx, time.Second); err != nil {
								t.Errorf("the next wait under the shield gave %v", err)
							}
							return nil
						})
						return pause(ctx)
					})
					if !outer.Caught() || asyncio.CurrentTask(ctx).Cancelling() != 0 {
						t.Errorf("caught %v, %d left", outer.Caught(), asyncio.CurrentTask(ctx).Cancelling())
					}
				})
			})
		}
	}
}
