package asyncio

import (
	"context"
	"errors"
)

// ErrReleasedTooOften says that a [BoundedSemaphore] was released more often
// than it was acquired. Python: ValueError.
var ErrReleasedTooOften = errors.New("asyncio: released too often")

// A Semaphore lets so many tasks in at a time. They get in in the order in
// which they asked. Python: Semaphore.
//
// The zero value lets nobody in until it is released. All methods are for the
// loop's goroutine.
type Semaphore struct {
	lot     parkingLot
	value   int
	bound   int
	bounded bool
	holders holders
}

// NewSemaphore makes a semaphore that lets n tasks in at a time. It panics when
// n is negative. Python: Semaphore(n).
func NewSemaphore(n int) *Semaphore {
	s := new(Semaphore)
	s.init("NewSemaphore", n)
	return s
}

func (s *Semaphore) init(op string, n int) {
	if n < 0 {
		panic(&MisuseError{Op: op, Err: errNegative})
	}
	s.value, s.bound = n, n
}

var errNegative = errors.New("asyncio: a semaphore's value cannot be negative")

// Locked reports whether Acquire would have to wait. Python: Semaphore.locked.
func (s *Semaphore) Locked() bool {
	// With tasks in the lot a new one has to go behind them, even when the
	// value would let it in.
	return s.value == 0 || s.lot.live > 0
}

// Value returns how many tasks would be let in now, were nobody waiting.
func (s *Semaphore) Value() int { return s.value }

// Acquire takes one from the value, and suspends the running task until it can.
// When it returns an error nothing was taken. Python: Semaphore.acquire.
func (s *Semaphore) Acquire(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	if !s.Locked() {
		s.value--
		s.holders.add(t)
		return nil
	}
	woken, err := s.lot.park(t, level, s)
	if err != nil && woken {
		s.value++ // taken for this task when it was woken
	}
	// More may have come back while others had to wait their turn.
	for s.value > 0 && s.wakeNext() {
	}
	if err == nil {
		s.holders.add(t)
	}
	return err
}

// Release returns one to the value, and wakes the task that has waited the
// longest. Python: Semaphore.release.
func (s *Semaphore) Release() {
	if err := s.release(); err != nil {
		panic(err)
	}
}

func (s *Semaphore) release() error {
	s.lot.mustBeHere()
	if s.bounded && s.value >= s.bound {
		return misuse(&s.lot, "BoundedSemaphore.Release", ErrReleasedTooOften)
	}
	s.value++
	s.holders.drop()
	s.wakeNext()
	return nil
}

// wakeNext wakes a task and takes one from the value for it, so that nobody
// else gets in before it runs.
func (s *Semaphore) wakeNext() bool {
	if !s.lot.wake() {
		return false
	}
	s.value--
	return true
}

// With runs body between an Acquire and a Release, and returns what body returns.
// Python: async with semaphore.
func (s *Semaphore) With(ctx context.Context, body func(context.Context) error) error {
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	return during(func() error { return body(ctx) }, s.release)
}

// A BoundedSemaphore is a [Semaphore] whose Release panics with a
// [*MisuseError] of [ErrReleasedTooOften] when that would raise the value above
// what it was at first. Python: BoundedSemaphore.
type BoundedSemaphore struct{ Semaphore }

// NewBoundedSemaphore makes a semaphore that lets n tasks in at a time. It
// panics when n is negative. Python: BoundedSemaphore(n).
func NewBoundedSemaphore(n int) *BoundedSemaphore {
	s := new(BoundedSemaphore)
	s.init("NewBoundedSemaphore", n)
	s.bounded = true
	return s
}
