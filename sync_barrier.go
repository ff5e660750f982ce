package asyncio

import (
	"context"
	"errors"
)

// ErrBrokenBarrier is returned to tasks at a [Barrier] that was aborted or
// reset. Python: BrokenBarrierError.
var ErrBrokenBarrier = errors.New("asyncio: the barrier is broken")

type barrierState uint8

const (
	filling   barrierState = iota // tasks come and wait
	draining                      // all have come and leave
	resetting                     // those that had come leave with an error
	broken                        // nobody may come any more
)

// A Barrier holds tasks until a number of them have come, and then lets them
// all go. It serves again when the last of them has left. Python: Barrier.
//
// All methods are for the loop's goroutine.
type Barrier struct {
	cond    Condition // notified at each change of state
	parties int
	state   barrierState
	count   int // tasks inside
}

// NewBarrier makes a barrier for so many tasks. It panics when parties is less
// than one. Python: Barrier(parties).
func NewBarrier(parties int) *Barrier {
	if parties < 1 {
		panic(&MisuseError{Op: "NewBarrier", Err: errNoParties})
	}
	return &Barrier{parties: parties}
}

var errNoParties = errors.New("asyncio: a barrier needs at least one party")

// Parties returns how many tasks the barrier waits for. Python: Barrier.parties.
func (b *Barrier) Parties() int { return b.parties }

// Waiting returns how many tasks have come and wait for the others. Python:
// Barrier.n_waiting.
func (b *Barrier) Waiting() int {
	if b.state != filling {
		return 0
	}
	return b.count
}

// Broken reports whether the barrier was aborted. Python: Barrier.broken.
func (b *Barrier) Broken() bool { return b.state == broken }

// Wait suspends the running task until all parties have called it, and returns
// the task's place among them, from 0. While tasks leave from the last time, it
// waits for them first. It returns [ErrBrokenBarrier] when the barrier is, or
// while it waits gets, broken or reset. Python: Barrier.wait.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	t, level, err := enter(ctx)
	if err != nil {
		return 0, err
	}
	err = b.locked(t, level, func() (err error) {
		index, err = b.wait(t, level)
		return err
	})
	if err != nil {
		return 0, err
	}
	return index, nil
}

func (b *Barrier) wait(t *task, level context.Context) (index int, err error) {
	err = b.cond.waitFor(t, level, func() bool { return b.state != draining && b.state != resetting })
	if err != nil {
		return 0, err
	}
	if b.state == broken {
		return 0, ErrBrokenBarrier
	}
	index = b.count
	b.count++
	defer b.leave()
	if b.count == b.parties {
		b.state = draining
		b.cond.NotifyAll()
		return index, nil
	}
	if err = b.cond.waitFor(t, level, func() bool { return b.state != filling }); err != nil {
		return index, err
	}
	if b.state == broken || b.state == resetting {
		err = ErrBrokenBarrier
	}
	return index, err
}

// leave lets those in that wait for the next time, when the last has left.
func (b *Barrier) leave() {
	b.count--
	if b.count > 0 {
		return
	}
	if b.state == draining || b.state == resetting {
		b.state = filling
	}
	b.cond.NotifyAll()
}

// Reset sends the tasks that wait away with [ErrBrokenBarrier], and makes a
// broken barrier whole. Python: Barrier.reset.
func (b *Barrier) Reset(ctx context.Context) error {
	return b.change(ctx, func() {
		if b.count == 0 {
			b.state = filling
		} else {
			b.state = resetting
		}
	})
}

// Abort breaks the barrier: the tasks that wait, and all that come, get
// [ErrBrokenBarrier], until [Barrier.Reset]. Python: Barrier.abort.
func (b *Barrier) Abort(ctx context.Context) error {
	return b.change(ctx, func() { b.state = broken })
}

func (b *Barrier) change(ctx context.Context, fn func()) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return b.locked(t, level, func() error {
		fn()
		b.cond.NotifyAll()
		return nil
	})
}

// locked runs fn while the task holds the condition's lock.
func (b *Barrier) locked(t *task, level context.Context, fn func() error) error {
	if err := b.cond.own.acquire(t, level); err != nil {
		return err
	}
	return during(fn, b.cond.own.release)
}
