package asyncio

import (
	"context"
	"errors"
)

// A Condition lets tasks wait, while they hold a lock, until another task that
// holds the lock notifies them. Python: Condition.
//
// The zero value is a condition with a lock of its own. All methods are for
// the loop's goroutine.
type Condition struct {
	lot    parkingLot
	own    Lock
	shared *Lock
}

// NewCondition makes a condition with a lock of its own. Python: Condition().
func NewCondition() *Condition { return new(Condition) }

// NewConditionOf makes a condition that shares lock with others. Python:
// Condition(lock).
func NewConditionOf(lock *Lock) *Condition { return &Condition{shared: lock} }

// Lock returns the condition's lock.
func (c *Condition) Lock() *Lock {
	if c.shared != nil {
		return c.shared
	}
	return &c.own
}

// Locked reports whether somebody holds the lock. Python: Condition.locked.
func (c *Condition) Locked() bool { return c.Lock().locked }

// Acquire takes the lock; see [Lock.Acquire]. Python: Condition.acquire.
func (c *Condition) Acquire(ctx context.Context) error { return c.Lock().Acquire(ctx) }

// Release releases the lock; see [Lock.Release]. Python: Condition.release.
func (c *Condition) Release() { c.Lock().Release() }

// With runs body while the running task holds the lock; see [Lock.With].
// Python: async with condition.
func (c *Condition) With(ctx context.Context, body func(context.Context) error) error {
	return c.Lock().With(ctx, body)
}

// Wait releases the lock, suspends the running task until it is notified, and
// takes the lock again. It holds the lock when it returns, with an error too;
// but for that of a loop that closes. It may return though nobody meant this
// task, so look at what is waited for and wait again, or use [Condition.WaitFor].
//
// When nobody holds the lock it returns a [*MisuseError] of [ErrNotAcquired].
// Python: Condition.wait.
func (c *Condition) Wait(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return c.wait(t, level)
}

func (c *Condition) wait(t *task, level context.Context) error {
	lock := c.Lock()
	if !lock.locked {
		return &MisuseError{Op: "Condition.Wait", Err: ErrNotAcquired}
	}
	if err := c.lot.bind(t.loop); err != nil {
		return err
	}
	if err := lock.release(); err != nil {
		return err
	}
	// What has ended a wait must not keep the task from the lock.
	told := func() {}
	defer func() { told() }()
	_, err := c.lot.park(t, level, c)
	for {
		if err != nil {
			level = nil
			told()
			told = t.patient()
		}
		e := lock.acquire(t, level)
		if e == nil {
			break
		}
		err = e
		if errors.Is(e, ErrLoopClosed) || errors.Is(e, ErrWrongLoop) {
			break
		}
	}
	if err != nil {
		// This task may have been notified, before or while it took the lock,
		// and will not act on it. One that is woken for nothing is allowed.
		c.lot.wake()
	}
	return err
}

// WaitFor waits until predicate, which is called while the lock is held, returns
// true. Python: Condition.wait_for.
func (c *Condition) WaitFor(ctx context.Context, predicate func() bool) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return c.waitFor(t, level, predicate)
}

func (c *Condition) waitFor(t *task, level context.Context, predicate func() bool) error {
	for !predicate() {
		if err := c.wait(t, level); err != nil {
			return err
		}
	}
	return nil
}

// Notify wakes the n tasks that have waited the longest, or as many as there
// are. They go on when they have got the lock. It panics with a [*MisuseError]
// of [ErrNotAcquired] when nobody holds the lock. Python: Condition.notify.
func (c *Condition) Notify(n int) {
	c.mustBeLocked("Condition.Notify")
	for i := 0; i < n && c.lot.wake(); i++ {
	}
}

// NotifyAll wakes all that wait; see [Condition.Notify]. Python:
// Condition.notify_all.
func (c *Condition) NotifyAll() {
	c.mustBeLocked("Condition.NotifyAll")
	c.lot.wakeAll()
}

func (c *Condition) mustBeLocked(op string) {
	c.lot.mustBeHere()
	if lock := c.Lock(); !lock.locked {
		if err := misuse(&lock.lot, op, ErrNotAcquired); err != nil {
			panic(err)
		}
	}
}
