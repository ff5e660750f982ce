package conformance

import (
	"errors"
	"strings"

	"github.com/asyncio-go/asyncio"
)

// nowOps are those that never wait. What they raise is logged and dropped.
func nowOps() map[string]opDef {
	return map[string]opDef{
		"log":         def(text).does(func(c *call) (any, error) { return c.args[0], nil }),
		"spawn":       def(text, text).spawns(1).does(spawn),
		"spawn_eager": def(text, text).spawns(1).does(spawnEager),
		"all_tasks":   def().does(allTasks),

		"cancel":      def(text, message).opt(1).does(variable(cancel)),
		"cancelling":  def().does(onTask(func(t asyncio.AnyTask) any { return t.Cancelling() })),
		"uncancel":    def().does(onTask(func(t asyncio.AnyTask) any { return t.Uncancel() })),
		"cancel_self": def().does(onTask(func(t asyncio.AnyTask) any { return t.Cancel() })),

		"future":        def(text).does(newFuture),
		"set_result":    def(text, value).does(settable(setResult)),
		"set_exception": def(text, text).does(settable(setException)),
		"state":         def(text).does(variable(variableState)),
		"gather_var":    def(text, texts, flag).does(gatherVar),
		"shield_var":    def(text, text).does(shieldVar),

		"add_done_callback":    def(text, text).does(addDoneCallback),
		"remove_done_callback": def(text, text).does(variable(removeDoneCallback)),

		"call_soon":     def(text, body).schedules(1).does(callSoon),
		"call_later":    def(seconds, text, body).schedules(2).does(callLater),
		"call_at":       def(seconds, text, body).schedules(2).does(callAt),
		"handle_cancel": def(text).does(handleCancel),

		"incr": def(text, count).does(incr),
	}
}

func spawn(c *call) (any, error) {
	c.vars[c.text(0)] = wrap(c.spawn(c.ctx, c.text(1)))
	return nil, nil
}

func spawnEager(c *call) (any, error) {
	c.vars[c.text(0)] = wrap(c.spawn(c.ctx, c.text(1), asyncio.WithEagerStart()))
	return nil, nil
}

func allTasks(c *call) (any, error) {
	live := map[asyncio.AnyTask]bool{}
	for _, t := range c.loop.AllTasks() {
		live[t] = true
	}
	var labels []string
	for _, s := range c.tasks {
		if s.task == nil || live[s.task] {
			labels = append(labels, s.label)
		}
	}
	return "(" + strings.Join(labels, ",") + ")", nil
}

func cancel(c *call, w waitable) (any, error) {
	if message, _ := c.args[1].(string); message != "" {
		return w.awaitable().CancelCause(errors.New(message)), nil
	}
	return w.awaitable().Cancel(), nil
}

// onTask does something with the task that runs; in a callback there is none.
func onTask(f func(asyncio.AnyTask) any) func(*call) (any, error) {
	return func(c *call) (any, error) {
		if t := c.loop.CurrentTask(); t != nil {
			return f(t), nil
		}
		return nil, nil
	}
}

func newFuture(c *call) (any, error) {
	c.vars[c.text(0)] = wrap(asyncio.NewFuture[any](c.loop))
	return nil, nil
}

func setResult(c *call, f *asyncio.Future[any]) (any, error) {
	return nil, f.SetResult(c.args[1])
}

func setException(c *call, f *asyncio.Future[any]) (any, error) {
	return nil, f.SetError(&UserError{Name: c.text(1)})
}

func variableState(c *call, w waitable) (any, error) {
	return state(w), nil
}

func gatherVar(c *call) (any, error) {
	ws, err := c.variables(c.texts(1))
	if err != nil {
		return nil, err
	}
	c.vars[c.text(0)] = c.gatherFuture(ws, c.flag(2))
	return nil, nil
}

func shieldVar(c *call) (any, error) {
	w, err := c.variable(c.text(1))
	if err != nil {
		return nil, err
	}
	c.vars[c.text(0)] = w.shieldFuture()
	return nil, nil
}

func addDoneCallback(c *call) (any, error) {
	tag := c.text(1)
	if _, ok := c.callbacks[tag]; !ok { // also when the variable is not bound
		c.callbacks[tag] = c.path
	}
	w, err := c.variable(c.text(0))
	if err != nil {
		return nil, err
	}
	key := callerKey{w.awaitable(), tag}
	remove := key.future.AddDoneCallback(func() {
		c.log("cb", c.callbacks[tag], "done "+tag+" "+state(w))
	})
	c.callers[key] = append(c.callers[key], remove)
	return nil, nil
}

func removeDoneCallback(c *call, w waitable) (any, error) {
	key := callerKey{w.awaitable(), c.text(1)}
	n := 0
	for _, remove := range c.callers[key] {
		if remove() {
			n++
		}
	}
	delete(c.callers, key)
	return n, nil
}

func callSoon(c *call) (any, error) {
	c.handles[c.text(0)] = c.loop.CallSoon(c.callback(c.path, c.ops(1)))
	return nil, nil
}

func callLater(c *call) (any, error) {
	c.handles[c.text(1)] = c.loop.CallLater(c.seconds(0), c.callback(c.path, c.ops(2)))
	return nil, nil
}

func callAt(c *call) (any, error) {
	c.handles[c.text(1)] = c.loop.CallAt(c.seconds(0), c.callback(c.path, c.ops(2)))
	return nil, nil
}

func handleCancel(c *call) (any, error) {
	h, ok := c.handles[c.text(0)]
	if !ok {
		return nil, errUnbound
	}
	h.Cancel()
	return nil, nil
}

func incr(c *call) (any, error) {
	c.counters[c.text(0)] += c.count(1)
	return c.counters[c.text(0)], nil
}
