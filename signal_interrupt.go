package asyncio

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
)

// interruptedCode is the exit status of a program that an interrupt has ended,
// as shells count: 128 and the signal's number.
const interruptedCode = 128 + 2

// ErrInterrupted is what an [*InterruptError] is, for [errors.Is].
var ErrInterrupted = errors.New("asyncio: interrupted")

// An InterruptError is what [Run] gives when an interrupt (^C) has cancelled
// main, and main returned that. Python: KeyboardInterrupt. It is an error of
// its own, and not a cancellation by [IsCancelled]: nobody has cancelled what
// called Run. A program ends with its exit code:
//
//	err := asyncio.Run(context.Background(), run)
//	var interrupt *asyncio.InterruptError
//	if errors.As(err, &interrupt) {
//		os.Exit(interrupt.ExitCode())
//	}
type InterruptError struct {
	Signal    os.Signal // [os.Interrupt]
	cancelled error     // what main returned
}

func (e *InterruptError) Error() string { return "asyncio: interrupted" }

// Is makes it [ErrInterrupted].
func (e *InterruptError) Is(target error) bool { return target == ErrInterrupted }

// Unwrap gives what main returned.
func (e *InterruptError) Unwrap() []error {
	if e.cancelled == nil {
		return nil
	}
	return []error{e.cancelled}
}

// conclusive keeps it from being a cancellation: nobody has cancelled what called
// Run.
func (*InterruptError) conclusive() {}

// ExitCode gives 130, the exit status that a shell expects then.
func (e *InterruptError) ExitCode() int { return interruptedCode }

// interruptMode says whether Run handles interrupts.
type interruptMode uint8

const (
	interruptsByDefault interruptMode = iota
	interruptsOn
	interruptsOff
)

// handles says whether a Run with ctx handles interrupts.
func (m interruptMode) handles(ctx context.Context) bool {
	switch m {
	case interruptsOn:
		return true
	case interruptsOff:
		return false
	}
	return ctx.Done() == nil && !signal.Ignored(os.Interrupt) && onMainGoroutine()
}

// onMainGoroutine says whether main.main runs on the calling goroutine. There
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
	signals chan os.Signal
	watched chan struct{} // closed when all signals were taken
	count   atomic.Int32
	told    bool // main was cancelled
	stopped bool
}

// handleInterrupts begins to handle interrupts while main runs.
func (l *Loop) handleInterrupts(ctx context.Context, main *task) *interrupts {
	s := l.signalPart()
	if !s.mode.handles(ctx) || s.watches[os.Interrupt] != nil {
		return nil
	}
	i := &interrupts{loop: l, main: main, signals: make(chan os.Signal, 2), watched: make(chan struct{})}
	s.interrupts = i
	i.resume()
	go i.watch()
	return i
}

func (i *interrupts) watch() {
	defer close(i.watched)
	for range i.signals {
		if i.count.Add(1) > 1 {
			os.Exit(interruptedCode)
		}
		// A loop that is closed has nothing left to be cancelled.
		_, _ = i.loop.CallSoonThreadsafe(func() { i.told = i.main.cancel(nil) })
	}
}

// pause leaves interrupts to somebody else.
func (i *interrupts) pause() {
	if i != nil {
		signal.Stop(i.signals)
	}
}

func (i *interrupts) resume() {
	if i != nil {
		signal.Notify(i.signals, os.Interrupt)
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

// outcome gives the error of Run: err, which is main's, or that it was
// interrupted. An interrupt that came too late to cancel main is not lost.
func (i *interrupts) outcome(err error) error {
	switch {
	case i == nil || i.count.Load() == 0:
		return err
	case !i.told:
		return joinClose(&InterruptError{Signal: os.Interrupt}, err)
	case i.main.state == cancelled && i.main.uncancel() == 0:
		return &InterruptError{os.Interrupt, err}
	}
	return err // main has gone on, or somebody else has cancelled it too
}
