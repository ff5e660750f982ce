package asyncio

import (
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// Stop makes the loop end its run after this turn; before the first, when it
// does not run. What is ready stays so for the next run. Python: loop.stop.
func (l *Loop) Stop() { l.stopping = true }

// RunForever runs the loop on the calling goroutine until [Loop.Stop]. It gives
// [ErrLoopClosed], [ErrLoopRunning] inside another loop's run, [ErrDeadlock] on
// the virtual clock, or the driver's error. Python: loop.run_forever.
func (l *Loop) RunForever() error {
	if l.closed {
		return ErrLoopClosed
	}
	if l.running || coro.MarkGoroutine() {
		return ErrLoopRunning
	}
	l.running = true
	l.pace.polled = l.Time()
	l.pace.yielded = l.pace.polled
	defer func() {
		l.running, l.stopping, l.current = false, false, nil
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

// RunUntilComplete runs the loop until f is done, whose result is then there
// to be taken. It gives f's error, or what [Loop.RunForever] gives, or
// [ErrLoopStopped]. Python: loop.run_until_complete.
func (l *Loop) RunUntilComplete(f Awaitable) error {
	if l.closed {
		return fmt.Errorf("run until complete: %w", ErrLoopClosed)
	}
	if f.Loop() != l {
		return fmt.Errorf("run until complete: %w", ErrWrongLoop)
	}
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
	if err := l.RunForever(); err != nil {
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
