package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// waitOps are those that may wait. What they raise goes up through the coroutine.
func waitOps() map[string]opDef {
	return map[string]opDef{
		"sleep": def(seconds, value).opt(1).waits(sleep),
		"await": def(text).waits(variable(func(c *call, w waitable) (any, error) { return w.await(c.ctx) })),
		"call":  def(text).runs(0).waits(callCoro),

		"gather":        def(texts, flag).waits(gather),
		"wait":          def(texts, limit, condition).waits(wait),
		"wait_for":      def(text, limit).waits(variable(func(c *call, w waitable) (any, error) { return w.waitFor(c.ctx, c.seconds(1)) })),
		"wait_for_call": def(text, limit).runs(0).waits(waitForCall),
		"shield":        def(text).waits(variable(func(c *call, w waitable) (any, error) { return w.shield(c.ctx) })),
		"as_completed":  def(texts, limit).waits(asCompleted),

		"timeout":    def(limit, body).waits(timeout),
		"timeout_at": def(limit, body).waits(timeoutAt),
		"reschedule": def(limit).waits(reschedule),
		"taskgroup":  def(body).waits(taskgroup),
		"tg_spawn":   def(text, text).spawns(1).waits(tgSpawn),
	}
}

func sleep(c *call) (any, error) {
	if err := asyncio.Sleep(c.ctx, c.seconds(0)); err != nil {
		return nil, err
	}
	return c.args[1], nil
}

func callCoro(c *call) (any, error) { return c.activate(c.ctx, c.text(0), c.label) }

func gather(c *call) (any, error) {
	ws, err := c.variables(c.texts(0))
	if err != nil {
		return nil, err
	}
	as, typed := alike(ws)
	switch settled := c.flag(1); {
	case typed && settled:
		return asyncio.GatherSettled(c.ctx, as...)
	case typed:
		return asyncio.Gather(c.ctx, as...)
	}
	return c.gatherFuture(ws, c.flag(1)).await(c.ctx)
}

func (m *machine) gatherFuture(ws []waitable, settled bool) waitable {
	if settled {
		return wrap(asyncio.GatherSettledFuture(m.loop, awaitables(ws)...))
	}
	return wrap(asyncio.GatherFuture(m.loop, awaitables(ws)...))
}

func wait(c *call) (any, error) {
	names := c.texts(0)
	ws, err := c.variables(names)
	if err != nil {
		return nil, err
	}
	as := awaitables(ws)
	done, pending, err := asyncio.Wait(c.ctx, c.args[2].(asyncio.ReturnWhen), c.seconds(1), as...)
	if err != nil {
		return nil, err
	}
	return fmt.Sprintf("done(%s) pending(%s)", namesIn(names, as, done), namesIn(names, as, pending)), nil
}

// namesIn returns the names whose awaitable is in group, each once.
func namesIn(names []string, as, group []asyncio.Awaitable) string {
	var in []string
	for i, a := range as {
		if slices.Contains(group, a) && !slices.Contains(in, names[i]) {
			in = append(in, names[i])
		}
	}
	return strings.Join(in, ",")
}

func waitForCall(c *call) (any, error) {
	limit := c.seconds(1)
	call := func(ctx context.Context) (any, error) { return c.activate(ctx, c.text(0), c.label) }
	if limit <= 0 {
		return asyncio.WaitFor(c.ctx, limit, asyncio.CreateTask(c.ctx, call))
	}
	var v any
	err := asyncio.Timeout(c.ctx, limit, func(ctx context.Context) (err error) {
		v, err = call(ctx)
		return err
	})
	return v, err
}

func asCompleted(c *call) (any, error) {
	names := c.texts(0)
	ws, err := c.variables(names)
	if err != nil {
		return nil, err
	}
	as := awaitables(ws)
	n := 0
	for a, err := range asyncio.AsCompleted(c.ctx, c.seconds(1), as...) {
		if err != nil {
			return nil, err
		}
		i := slices.Index(as, a)
		c.log(c.label, c.path+":as_completed", names[i]+" "+state(ws[i]))
		n++
	}
	return n, nil
}

func timeout(c *call) (any, error) {
	return c.scope((*asyncio.TimeoutScope).Run)
}

func timeoutAt(c *call) (any, error) {
	return c.scope((*asyncio.TimeoutScope).RunAt)
}

type runScope func(s *asyncio.TimeoutScope, ctx context.Context, limit time.Duration, body func(context.Context) error) error

func (c *call) scope(run runScope) (any, error) {
	var left *leave
	scope := new(asyncio.TimeoutScope)
	err := run(scope, c.ctx, c.seconds(0), func(ctx context.Context) (err error) {
		f := c.frame
		f.timeouts = append(f.timeouts, scope)
		defer func() { f.timeouts = f.timeouts[:len(f.timeouts)-1] }()
		left, err = c.enter(ctx, "b", 1)
		return err
	})
	if err != nil {
		return nil, err
	}
	if left != nil {
		return left, nil
	}
	return "expired " + show(scope.Expired()), nil
}

func reschedule(c *call) (any, error) {
	n := len(c.frame.timeouts)
	if n == 0 {
		return "no timeout", nil
	}
	when := c.seconds(0)
	if when != asyncio.NoTimeout {
		when += c.loop.Time()
	}
	return "ok", c.frame.timeouts[n-1].Reschedule(when)
}

func taskgroup(c *call) (any, error) {
	var left *leave
	err := asyncio.Group(c.ctx, func(ctx context.Context, g *asyncio.TaskGroup) (err error) {
		f := c.frame
		f.groups = append(f.groups, g)
		defer func() { f.groups = f.groups[:len(f.groups)-1] }()
		left, err = c.enter(ctx, "b", 0)
		return err
	})
	return leftOr(left, "ok"), err
}

// leftOr returns left, or what is given where no coroutine was left.
func leftOr(left *leave, v any) any {
	if left != nil {
		return left
	}
	return v
}

func tgSpawn(c *call) (any, error) {
	n := len(c.frame.groups)
	if n == 0 {
		return "no group", nil
	}
	s, fn := c.newSlot(c.text(1))
	t, refused := spawnIn(c.frame.groups[n-1], fn)
	if refused {
		return "refused", nil
	}
	s.task = t
	c.tasks = append(c.tasks, s)
	c.vars[c.text(0)] = wrap(t)
	return "ok", nil
}

// spawnIn spawns in a group, and reports whether the group took no more tasks.
func spawnIn(g *asyncio.TaskGroup, fn func(context.Context) (any, error)) (t *asyncio.Task[any], refused bool) {
	t = asyncio.Spawn(g, fn)
	return t, t.Done() && errors.Is(t.Err(), asyncio.ErrGroupClosed)
}
