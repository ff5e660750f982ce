// Package offload runs functions on threads for tasks that may stop waiting for them:
// what was made for a task that has gone is given away, and what must be done is done
// whether or not somebody waits for it.
package offload

import (
	"context"
	"sync/atomic"

	"github.com/asyncio-go/asyncio"
)

const (
	underWay  = iota // fn has not returned
	made             // fn has returned a value, which is the caller's
	abandoned        // the caller has gone: a value is for dispose
)

// call is one function on a thread, and what has become of its caller.
type call[T any] struct {
	fn      func(context.Context) (T, error)
	dispose func(T) // nil: a value needs no disposing of
	state   atomic.Int32
	value   T // written before state becomes made
}

// Do runs fn on a goroutine of e and waits for it, as [asyncio.ToExecutor] does. When
// the wait ends before fn has returned, fn's context ends and Do returns at once; the
// value that fn then returns without an error is given to dispose, on another goroutine
// than the loop's. An fn that has not begun is not called then.
func Do[T any](ctx context.Context, e asyncio.Executor, fn func(context.Context) (T, error), dispose func(T)) (T, error) {
	c := &call[T]{fn: fn, dispose: dispose}
	taken := false
	defer func() { // also where the task is unwound
		if !taken {
			c.abandon(e)
		}
	}()
	v, err := asyncio.ToExecutor(ctx, e, c.run)
	taken = err == nil
	return v, err
}

func (c *call[T]) run(ctx context.Context) (v T, err error) {
	if c.state.Load() == abandoned {
		return v, context.Canceled
	}
	if v, err = c.fn(ctx); err != nil {
		return v, err
	}
	c.value = v
	if !c.state.CompareAndSwap(underWay, made) && c.dispose != nil {
		c.dispose(v)
	}
	return v, nil
}

// abandon says that nobody will take the value.
func (c *call[T]) abandon(e asyncio.Executor) {
	if !c.state.CompareAndSwap(underWay, abandoned) && c.dispose != nil {
		Submit(e, func() { c.dispose(c.value) })
	}
}

// Always runs fn on a goroutine of e, once, and waits for it. When there can be no wait,
// or it is cut off, fn is called all the same and Always returns at once.
func Always(ctx context.Context, e asyncio.Executor, fn func() error) error {
	var begun atomic.Bool
	once := func() error {
		if begun.Swap(true) {
			return nil
		}
		return fn()
	}
	defer func() { // also where the task is unwound
		if !begun.Load() {
			Submit(e, func() { _ = once() })
		}
	}()
	_, err := asyncio.ToExecutor(ctx, e, func(context.Context) (struct{}, error) { return struct{}{}, once() })
	return err
}

// Submit has fn called by e, or by a goroutine of its own where e takes no more.
func Submit(e asyncio.Executor, fn func()) {
	if e.Submit(context.Background(), func(context.Context) { fn() }) != nil {
		go fn()
	}
}
