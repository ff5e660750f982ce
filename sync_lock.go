package asyncio

import (
	"context"
	"errors"
	"fmt"
)

// A Lock is held by one task at a time. Tasks get it in the order in which they
// asked for it. It has no owner: any task, or a callback, may release it.
// Python: Lock.
//
// The zero value is an open lock. All methods are for the loop's goroutine. To
// take a free lock costs some nanoseconds and no turn of the loop.
type Lock struct {
	lot    parkingLot
	locked bool
	holder uint64 // the number of the task that has taken it, for who looks into the loop
}

// NewLock makes a lock, which is open. Python: Lock().
func NewLock() *Lock { return new(Lock) }

// Locked reports whether somebody holds the lock. Python: Lock.locked.
func (l *Lock) Locked() bool { return l.locked }

// Acquire takes the lock, and suspends the running task until it can. When it
// returns an error the task does not hold the lock. Python: Lock.acquire.
func (l *Lock) Acquire(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return l.acquire(t, level)
}

func (l *Lock) acquire(t *task, level context.Context) error {
	if !l.locked && l.lot.live == 0 {
		l.locked, l.holder = true, t.id
		return nil
	}
	if _, err := l.lot.park(t, level, l); err != nil {
		// Whether it was this waiter that release woke, or one ahead of it
		// that has left since: while the lock is open and somebody waits, the
		// first of them must be on its way.
		if !l.locked {
			l.wakeFirst()
		}
		return err
	}
	l.locked, l.holder = true, t.id
	return nil
}

// Release opens the lock and wakes the task that has waited the longest. It
// panics with a [*MisuseError] of [ErrNotAcquired] when nobody holds it.
// Python: Lock.release.
func (l *Lock) Release() {
	if err := l.release(); err != nil {
		panic(err)
	}
}

func (l *Lock) release() error {
	l.lot.mustBeHere()
	if !l.locked {
		return misuse(&l.lot, "Lock.Release", ErrNotAcquired)
	}
	l.locked = false
	l.wakeFirst()
	return nil
}

// wakeFirst wakes the first in the lot. When that one is woken already, or
// cancelled, nobody else is: it will see to that when it runs.
func (l *Lock) wakeFirst() {
	if w := l.lot.head; w != nil && w.state == pending {
		l.lot.wake()
	}
}

// With runs body while the running task holds the lock, and returns what body
// returns. If body has released the lock and not taken it again, that is a
// [*MisuseError]. Python: async with lock.
func (l *Lock) With(ctx context.Context, body func(context.Context) error) error {
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	return during(func() error { return body(ctx) }, l.release)
}

// afterError is an error of giving something back after another error, which
// errors.Is and errors.As find too.
type afterError struct{ err, before error }

func (e *afterError) Error() string        { return fmt.Sprintf("%v (after %v)", e.err, e.before) }
func (e *afterError) Unwrap() error        { return e.err }
func (e *afterError) Is(target error) bool { return errors.Is(e.before, target) }
func (e *afterError) As(target any) bool   { return errors.As(e.before, target) }

// during runs body and then release, however body ends.
func during(body, release func() error) (err error) {
	returned := false
	defer func() {
		e := release()
		if e == nil || !returned {
			return
		}
		if err != nil {
			e = &afterError{e, err}
		}
		err = e
	}()
	err = body()
	returned = true
	return err
}
