package asyncio

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
)

// signalCode is the exit status of a program that a signal has ended, as shells
// count: 128 and the signal's number.
func signalCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 128 + int(syscall.SIGINT)
}

// ErrInterrupted is what an [*InterruptError] is, for [errors.Is].
var ErrInterrupted = errors.New("asyncio: interrupted")

// An InterruptError is what [Run] returns when an interrupt (^C) has cancelled
// main, and main returned that. Python: KeyboardInterrupt. It is an error of
// its own, and not a cancellation by [IsCancelled]: nobody has cancelled what
// called Run. [Main] ends the program with its exit code.
type InterruptError struct {
	Signal    os.Signal // [os.Interrupt], or with [Main] also SIGTERM
	cancelled error     // what main returned
}

func (e *InterruptError) Error() string {
	if e.Signal == nil || e.Signal == os.Interrupt {
		return "asyncio: interrupted"
	}
	return "asyncio: interrupted: " + e.Signal.String()
}

// Is makes it [ErrInterrupted].
func (e *InterruptError) Is(target error) bool { return target == ErrInterrupted }

// Unwrap returns what main returned.
func (e *InterruptError) Unwrap() []error {
	if e.cancelled == nil {
		return nil
	}
	return []error{e.cancelled}
}

// conclusive keeps it from being a cancellation: nobody has cancelled what called
// Run.
func (*InterruptError) conclusive() {}

// ExitCode returns the exit status that a shell expects then: 130 for an interrupt.
func (e *InterruptError) ExitCode() int { return signalCode(e.Signal) }

// interruptMode reports whether Run handles interrupts.
type interruptMode uint8

const (
	interruptsByDefault interruptMode = iota
	interruptsOn
	interruptsOff
	interruptsOfMain // and SIGTERM, for Main
)

// handles reports whether a Run with ctx handles interrupts.
func (m interruptMode) handles(ctx context.Context) bool {
	switch m {
	case interruptsOn, interruptsOfMain:
		return true
	case interruptsOff:
		return false
	}
	return ctx.Done() == nil && !signal.Ignored(os.Interrupt) && onMainGoroutine()
}

// onMainGoroutine reports whether main.main runs on the calling goroutine. There
// is nothing to ask but the head of the stack's print: "goroutine 1 [running]:".
// Were that ever to change, Run would leave interrupts alone.
func onMainGoroutine() bool {
	var head [16]byte
	n := runtime.Stack(head[:], false)
	return bytes.HasPrefix(head[:n], []byte("goroutine 1 "))
}

// interrupts is what a Run does with interrupts. A nil one does nothing.
type interrupts struct {
	loop    *Loop
	main    *task
	of      []os.Signal // those that are handled
	signals chan os.Signal
	watched chan struct{} // closed when all signals were taken
	count   atomic.Int32
	first   os.Signal // of the loop's goroutine
	told    bool      // main was cancelled
	stopped bool
}

// handleInterrupts begins to handle interrupts while main runs.
func (l *Loop) handleInterrupts(ctx context.Context, main *task) *interrupts {
	s := l.signalPart()
	if !s.mode.handles(ctx) || s.watches[os.Interrupt] != nil {
		return nil
	}
	i := &interrupts{loop: l, main: main, signals: make(chan os.Signal, 2), watched: make(chan struct{})}
	i.resume(os.Interrupt)
	if s.mode == interruptsOfMain && s.watches[syscall.SIGTERM] == nil {
		i.resume(syscall.SIGTERM)
	}
	s.interrupts = i
	go i.watch()
	return i
}

func (i *interrupts) watch() {
	defer close(i.watched)
	for sig := range i.signals {
		if i.count.Add(1) > 1 {
			os.Exit(signalCode(sig))
		}
		// A loop that is closed has nothing left to be cancelled.
		_, _ = i.loop.CallSoonThreadsafe(func() {
			i.first = sig
			i.told = i.main.cancel(nil)
		})
	}
}

// pause leaves a signal to somebody else.
func (i *interrupts) pause(sig os.Signal) {
	if i == nil || !slices.Contains(i.of, sig) {
		return
	}
	i.of = slices.DeleteFunc(i.of, func(s os.Signal) bool { return s == sig })
	signal.Stop(i.signals)
	if len(i.of) > 0 {
		signal.Notify(i.signals, i.of...)
	}
}

// handles reports whether a signal is one of those that Run handles where nobody else
// does.
func (i *interrupts) handles(sig os.Signal) bool {
	return i != nil && (sig == os.Interrupt || sig == syscall.SIGTERM && i.loop.signalPart().mode == interruptsOfMain)
}

// resume handles a signal, as soon as nobody else does.
func (i *interrupts) resume(sig os.Signal) {
	if i != nil {
		i.of = append(i.of, sig)
		signal.Notify(i.signals, sig)
	}
}

// stop ends the handling. It may be called twice.
func (i *interrupts) stop() {
	if i != nil && !i.stopped {
		i.stopped = true
		i.loop.signalPart().interrupts = nil
		signal.Stop(i.signals)
		close(i.signals) // nothing is sent after Stop
		<-i.watched
	}
}

// outcome returns the error of Run: err, which is main's, or that it was
// interrupted. An interrupt that came too late to cancel main is not lost.
func (i *interrupts) outcome(err error) error {
	switch {
	case i == nil || i.count.Load() == 0:
		return err
	case !i.told:
		return joinClose(&InterruptError{Signal: i.sig()}, err)
	case i.main.state == cancelled && i.main.uncancel() == 0:
		return &InterruptError{i.sig(), err}
	}
	return err // main has gone on, or somebody else has cancelled it too
}

// sig returns the signal that came first. One that came too late for the loop to
// hear of it was most likely an interrupt.
func (i *interrupts) sig() os.Signal {
	if i.first == nil {
		return os.Interrupt
	}
	return i.first
}
