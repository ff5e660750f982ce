package asyncio

import (
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// Stop makes the loop end its run after this turn; before the first, when it
// does not run. What is ready stays so for the next run. Python: loop.stop.
func (l *Loop) Stop() { l.stopping = true }

// RunForever runs the loop on the calling goroutine until [Loop.Stop]. It returns
// [ErrLoopClosed], [ErrLoopRunning] inside another loop's run, [ErrDeadlock] on
// the virtual clock, or the driver's error. Python: loop.run_forever.
//
// A loop that has run on a goroutine that is locked to its thread
// ([runtime.LockOSThread]), or in a bubble of testing/synctest, and has tasks left
// from there, cannot run elsewhere, nor be closed there: that is an
// [ErrWrongGoroutine].
func (l *Loop) RunForever() error {
	if err := l.arrive(); err != nil {
		return err
	}
	return l.forever()
}

// arrive marks the calling goroutine as the one that will run the loop, and
// returns an error when it cannot.
func (l *Loop) arrive() error {
	if l.closed {
		return ErrLoopClosed
	}
	if l.running {
		return ErrLoopRunning
	}
	if coro.MarkGoroutine() {
		return errMarked
	}
	if err := l.comeHome(); err != nil {
		coro.UnmarkGoroutine()
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// forever is RunForever where the loop has arrived.
func (l *Loop) forever() error {
	l.running = true
	if l.onRun != nil {
		l.onRun.begin()
		defer l.onRun.end()
	}
	l.pace.polled = l.Time()
	l.pace.yielded = l.pace.polled
	defer func() {
		l.running, l.stopping, l.current = false, false, nil
		if l.home.Locked != 0 {
			l.coros.Close() // the next run may be elsewhere
		}
		coro.UnmarkGoroutine()
		if l.probe != nil {
			l.probe.leave()
		}
	}()
	if l.probe != nil {
		l.probe.enter()
	}
	for {
		if err := l.turn(); err != nil {
			return err
		}
		if l.stopping {
			return nil
		}
	}
}

// errMarked is the error of a run on a goroutine that has the mark already, and
// not from this loop.
var errMarked = fmt.Errorf("%w: on this goroutine runs another loop, or somebody has called debug.SetPanicOnFault, which tells loops where they run: take that back around the run", ErrLoopRunning)

// comeHome finds out where the loop is, and returns an error when it cannot run or
// be closed there: the runtime would end the program, or never wake it up.
func (l *Loop) comeHome() error {
	here := coro.Here()
	switch l.coros.Alive() {
	case 0:
		if here.Bubble != 0 && l.driver.Name() == "epoll" {
			return fmt.Errorf("%w: the system's driver never wakes in a bubble of testing/synctest: use WithVirtualClock or WithPortableDriver there", errors.ErrUnsupported)
		}
	default:
		if here.Bubble != l.home.Bubble {
			return fmt.Errorf("%w: the loop has run in another bubble of testing/synctest, or in none: make, run and close a loop in one bubble", ErrWrongGoroutine)
		}
		if err := l.wrongThread(here); err != nil {
			return err
		}
	}
	l.home = here
	return nil
}

// wrongThread returns an error when the runtime would end the program because of a
// switch from here to a coroutine of the loop.
func (l *Loop) wrongThread(here coro.Home) error {
	if (here.Locked != 0) == (l.home.Locked != 0) && (here.Locked == l.home.Locked || l.running) {
		return nil // a coroutine that runs has the lock of the loop's goroutine
	}
	return fmt.Errorf("%w: the loop has run on a goroutine %s, and this one is one %s; all its runs, waits and its Close must be on goroutines of one kind",
		ErrWrongGoroutine, lockedText(l.home), lockedText(here))
}

func lockedText(h coro.Home) string {
	if h.Locked == 0 {
		return "that is not locked to its thread"
	}
	return "that is locked to its thread (by runtime.LockOSThread, a callback from C or an init function)"
}

// RunUntilComplete runs the loop until f is done, whose result is then there
// to be taken. It returns f's error, or what [Loop.RunForever] returns, or
// [ErrLoopStopped]. Python: loop.run_until_complete.
func (l *Loop) RunUntilComplete(f Awaitable) error {
	if l.closed {
		return fmt.Errorf("run until complete: %w", ErrLoopClosed)
	}
	if f.Loop() != l {
		return fmt.Errorf("run until complete: %w", ErrWrongLoop)
	}
	if err := l.arrive(); err != nil {
		if f.Done() {
			return errors.Join(err, f.Err())
		}
		return err
	}
	return l.until(f)
}

// until is RunUntilComplete where the loop has arrived.
func (l *Loop) until(f Awaitable) error {
	over := false
	remove := f.AddDoneCallback(func() {
		if !over {
			l.Stop()
		}
	})
	defer func() {
		over = true // the callback may be in the queue when this run ends otherwise
		remove()
	}()
	if err := l.forever(); err != nil {
		if !f.Done() {
			return err
		}
		return errors.Join(err, f.Err())
	}
	if !f.Done() {
		return ErrLoopStopped
	}
	return f.Err()
}
