package conformance

import (
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio"
)

// objectOps are the methods of locks, events, conditions, semaphores, barriers
// and queues.
func objectOps() map[string]opDef {
	return map[string]opDef{
		"acquire": on().waits(object(acquire)),
		"with":    on(body).waits(object(with)),
		"release": on().does(object(release)),
		"locked":  on().does(object(locked)),

		"event_wait":  on().waits(object(eventWait)),
		"event_set":   on().does(object(eventSet)),
		"event_clear": on().does(object(eventClear)),

		"cond_wait":     on().waits(object(condWait)),
		"cond_wait_for": on(text, count).waits(object(condWaitFor)),
		"notify":        on(count).does(object(notify)),
		"notify_all":    on().does(object(notifyAll)),

		"put":        on(value).waits(object(put)),
		"get":        on().waits(object(get)),
		"join":       on().waits(object(join)),
		"put_nowait": on(value).does(object(putNowait)),
		"get_nowait": on().does(object(getNowait)),
		"task_done":  on().does(object(taskDone)),
		"qsize":      on().does(object(qsize)),
		"shutdown":   on(flag).does(object(shutdown)),

		"barrier_wait":  on().waits(object(barrierWait)),
		"barrier_abort": on().waits(object(barrierAbort)),
		"barrier_reset": on().waits(object(barrierReset)),
		"barrier_state": on().does(object(barrierState)),
	}
}

// object makes an op of f, whose first argument is an object that is a T.
func object[T any](f func(*call, T) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		o, ok := c.objects[c.text(0)].(T)
		if !ok {
			return nil, errKind
		}
		return f(c, o)
	}
}

// A locker is what acquire, release and with are for.
type locker interface {
	Acquire(context.Context) error
	With(context.Context, func(context.Context) error) error
	Release()
	Locked() bool
}

func acquire(c *call, o locker) (any, error) { return true, o.Acquire(c.ctx) }
func release(_ *call, o locker) (any, error) { o.Release(); return nil, nil }
func locked(_ *call, o locker) (any, error)  { return o.Locked(), nil }

func with(c *call, o locker) (any, error) {
	var left *leave
	err := o.With(c.ctx, func(ctx context.Context) (err error) {
		left, err = c.enter(ctx, "b", 1)
		return err
	})
	return leftOr(left, "ok"), err
}

func eventWait(c *call, e *asyncio.Event) (any, error)  { return true, e.Wait(c.ctx) }
func eventSet(_ *call, e *asyncio.Event) (any, error)   { e.Set(); return nil, nil }
func eventClear(_ *call, e *asyncio.Event) (any, error) { e.Clear(); return nil, nil }

func condWait(c *call, o *asyncio.Condition) (any, error) { return true, o.Wait(c.ctx) }

func condWaitFor(c *call, o *asyncio.Condition) (any, error) {
	return true, o.WaitFor(c.ctx, func() bool { return c.counters[c.text(1)] >= c.count(2) })
}

func notify(c *call, o *asyncio.Condition) (any, error)    { o.Notify(c.count(1)); return nil, nil }
func notifyAll(_ *call, o *asyncio.Condition) (any, error) { o.NotifyAll(); return nil, nil }

func put(c *call, q queue) (any, error)       { return nil, q.Put(c.ctx, c.args[1]) }
func get(c *call, q queue) (any, error)       { return q.Get(c.ctx) }
func join(c *call, q queue) (any, error)      { return nil, q.Join(c.ctx) }
func putNowait(c *call, q queue) (any, error) { return nil, q.PutNowait(c.args[1]) }
func getNowait(_ *call, q queue) (any, error) { return q.GetNowait() }
func taskDone(_ *call, q queue) (any, error)  { q.TaskDone(); return nil, nil }
func qsize(_ *call, q queue) (any, error)     { return q.Len(), nil }
func shutdown(c *call, q queue) (any, error)  { q.Shutdown(c.flag(1)); return nil, nil }

func barrierWait(c *call, b *asyncio.Barrier) (any, error)  { return b.Wait(c.ctx) }
func barrierAbort(c *call, b *asyncio.Barrier) (any, error) { return nil, b.Abort(c.ctx) }
func barrierReset(c *call, b *asyncio.Barrier) (any, error) { return nil, b.Reset(c.ctx) }

func barrierState(_ *call, b *asyncio.Barrier) (any, error) {
	return fmt.Sprintf("waiting %d broken %v", b.Waiting(), b.Broken()), nil
}
