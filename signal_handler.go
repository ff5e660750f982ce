package asyncio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync/atomic"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// ErrNotCatchable is returned for a handler of a signal that no program can
// handle. Python: RuntimeError.
var ErrNotCatchable = errors.New("asyncio: the signal cannot be caught")

// catchable returns why the signal cannot be handled, if it cannot.
func catchable(sig os.Signal) error {
	switch known, catchable := knownSignal(sig); {
	case !known:
		return fmt.Errorf("there is no such signal: %w", errors.ErrUnsupported)
	case !catchable:
		return ErrNotCatchable
	}
	return nil
}

// signalsAtOnce is how many signals of one kind may come while the goroutine
// that takes them does not run. More than that are dropped, as the system does
// with the second already.
const signalsAtOnce = 64

// AddSignalHandler makes the loop call fn, like a callback, when the signal sig
// comes. It takes the place of the handler that the loop has for it. For
// [os.Interrupt] it takes the place of what [Run] does with it. For the loop's
// goroutine. Python: loop.add_signal_handler.
//
// Several loops may handle the same signal: each is told. So is whoever else
// has asked package os/signal for it. The handler ends with
// [Loop.RemoveSignalHandler] or the loop; after the last one the signal does
// what it does by default. On a loop that is held up, a handler is called later
// for each signal, as far as the system has not merged them. The virtual clock
// does not wait for signals: that one may come does not keep it from a deadlock.
//
// It returns [ErrNotCatchable] for SIGKILL and SIGSTOP, and an error that is
// [errors.ErrUnsupported] for what this system does not know.
func (l *Loop) AddSignalHandler(sig os.Signal, fn func()) error {
	if l.closed || l.closing {
		return fmt.Errorf("asyncio: signal handler: %w", ErrLoopClosed)
	}
	if sig == nil || fn == nil {
		return fmt.Errorf("asyncio: signal handler: the signal or the function is missing: %w", fs.ErrInvalid)
	}
	by, ownSignals := l.driver.(driver.Signaler)
	if !ownSignals {
		if err := l.escape("a signal handler"); err != nil {
			return err
		}
	}
	if err := catchable(sig); err != nil {
		return fmt.Errorf("asyncio: signal handler for %v: %w", sig, err)
	}
	s := l.signalPart()
	if w := s.watches[sig]; w != nil {
		w.fn = fn
		return nil
	}
	if s.watches == nil {
		s.watches = make(map[os.Signal]*signalWatch)
	}
	w := &signalWatch{loop: l, fn: fn}
	s.watches[sig] = w
	if ownSignals {
		by.NotifySignal(sig, w)
		s.interrupts.pause(sig)
		return nil
	}
	w.signals = make(chan os.Signal, signalsAtOnce)
	signal.Notify(w.signals, sig)
	go w.forward()
	s.interrupts.pause(sig) // after Notify: at no time does nobody handle it
	return nil
}

// RemoveSignalHandler ends the loop's handling of the signal, and reports whether
// there was a handler. For the loop's goroutine. Python:
// loop.remove_signal_handler.
func (l *Loop) RemoveSignalHandler(sig os.Signal) bool {
	s := l.signalPart()
	w := s.watches[sig]
	if w == nil {
		return false
	}
	if s.interrupts.handles(sig) {
		s.interrupts.resume(sig)
	}
	delete(s.watches, sig)
	if by, ok := l.driver.(driver.Signaler); ok {
		w.fn = nil
		by.NotifySignal(sig, nil)
		return true
	}
	w.stop()
	return true
}

// A signalWatch is a signal that a loop handles. A goroutine takes it from
// package os/signal, or the driver tells of it. While the loop has not come to
// handle it, the watch is in the inbox once, however often the signal comes.
type signalWatch struct {
	loop    *Loop
	fn      func()         // nil: removed
	signals chan os.Signal // nil: the driver's
	pending atomic.Int32
}

var _ driver.Handler = (*signalWatch)(nil)

// Ready implements driver.Handler, for a driver that sends signals itself.
func (w *signalWatch) Ready(driver.Event) {
	if w.pending.Add(1) == 1 {
		w.loop.ready.Push(w)
	}
}

func (w *signalWatch) forward() {
	for range w.signals {
		if w.pending.Add(1) == 1 {
			w.loop.post(w)
		}
	}
}

// run is one signal.
func (w *signalWatch) run() {
	if w.pending.Add(-1) > 0 {
		w.loop.ready.Push(w)
	}
	if w.fn != nil {
		w.fn()
	}
}

func (w *signalWatch) stop() {
	w.fn = nil
	signal.Stop(w.signals)
	close(w.signals) // nothing is sent after Stop
}

// signals is what a loop has to do with signals.
type signals struct {
	watches    map[os.Signal]*signalWatch
	interrupts *interrupts // of the Run that is under way; or nil
	mode       interruptMode
}

func (l *Loop) signalPart() *signals { return partOf[signals](l, signalsPart) }

// close removes the handlers.
func (s *signals) close(l *Loop) {
	for sig := range s.watches {
		l.RemoveSignalHandler(sig)
	}
}
