package asyncio

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoRunningLoop is returned by a function that was given a context that
	// belongs to no loop. Python: RuntimeError("no running event loop").
	ErrNoRunningLoop = errors.New("asyncio: no running event loop: the context does not come from a coroutine")

	// ErrWrongGoroutine is returned by a function that would suspend, when it
	// is called on a goroutine that is not the loop's. Use
	// [Loop.CallSoonThreadsafe] or [RunCoroutineThreadsafe] from there.
	ErrWrongGoroutine = errors.New("asyncio: called from a goroutine that does not belong to the loop")

	// ErrNotInTask is returned by a function that would suspend, when it is
	// called in a callback: only a task can wait.
	ErrNotInTask = errors.New("asyncio: no task is running: a callback cannot wait")

	// ErrLoopRunning is returned when a loop is run inside a running one, or
	// closed while it runs. Python: RuntimeError.
	ErrLoopRunning = errors.New("asyncio: the event loop is running")

	// ErrLoopClosed is returned by what needs a loop that was closed, and by
	// every await that a closing loop ends. Python: RuntimeError("Event loop
	// is closed").
	ErrLoopClosed = errors.New("asyncio: the event loop is closed")

	// ErrLoopStopped is returned by [Loop.RunUntilComplete] when the loop was
	// stopped before the future was done. Python: RuntimeError.
	ErrLoopStopped = errors.New("asyncio: the event loop was stopped before the future was done")

	// ErrWrongLoop is returned when things of two loops are used together.
	// Python: RuntimeError, ValueError.
	ErrWrongLoop = errors.New("asyncio: attached to a different loop")

	// ErrInvalidState is returned when a future is asked for what it has not
	// got, or given what it has. Python: InvalidStateError.
	ErrInvalidState = errors.New("asyncio: invalid state")

	// ErrAwaitSelf is returned to a task that awaits itself. Python:
	// RuntimeError.
	ErrAwaitSelf = errors.New("asyncio: a task cannot await itself")

	// ErrGoexit is the error of a task whose function ended its goroutine by
	// [runtime.Goexit].
	ErrGoexit = errors.New("asyncio: the task ended its goroutine (runtime.Goexit)")

	// ErrDeadlock is returned by a loop on the virtual clock that has nothing
	// left that could ever happen, while somebody still waits.
	ErrDeadlock = errors.New("asyncio: deadlock: nothing is ready, no timer is set and nobody outside is at work")
)

// A CancelledError says that what was awaited, or the task that awaits, was
// cancelled. Python: CancelledError.
//
// errors.Is(err, context.Canceled) holds for it. Code that handles an error
// and goes on should return this one instead, or the task cannot be stopped.
type CancelledError struct {
	// Cause is what CancelCause was given, or nil. Python: the msg of cancel.
	Cause error
}

func (e *CancelledError) Error() string {
	if e.Cause == nil {
		return "asyncio: cancelled"
	}
	return "asyncio: cancelled: " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *CancelledError) Unwrap() error { return e.Cause }

// Is makes a cancellation a [context.Canceled].
func (e *CancelledError) Is(target error) bool { return target == context.Canceled }

// IsCancelled reports whether err is a cancellation: a [*CancelledError], or one
// wrapped with %w. Several errors in one, of [errors.Join] or a [*GroupError], are
// a cancellation when each of them is: beside another error it is one failure among
// others. Python: except CancelledError.
func IsCancelled(err error) bool {
	return isNothingBut(err, func(err error) bool {
		_, ok := err.(*CancelledError)
		return ok
	})
}

// A conclusive error is not what it wraps.
type conclusive interface{ conclusive() }

// isNothingBut reports whether is holds for err, or for what it wraps, and where it
// wraps several errors, for each of them.
func isNothingBut(err error, is func(error) bool) bool {
	for err != nil {
		if is(err) {
			return true
		}
		switch u := err.(type) {
		case conclusive:
			return false
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			all := u.Unwrap()
			for _, e := range all {
				if !isNothingBut(e, is) {
					return false
				}
			}
			return len(all) > 0
		default:
			return false
		}
	}
	return false
}

// A TimeoutError says that a time limit ran out. Python: TimeoutError.
//
// errors.Is(err, context.DeadlineExceeded) holds for it, and it is a net.Error
// whose Timeout is true.
type TimeoutError struct {
	cause error // the cancellation that the timeout became, if any
}

func (e *TimeoutError) Error() string { return "asyncio: timed out" }

// Is makes a timeout a [context.DeadlineExceeded].
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout is true.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is true, as it is for the net package's timeouts.
func (e *TimeoutError) Temporary() bool { return true }

// A GroupError holds the errors of a [TaskGroup]. Python: ExceptionGroup.
//
// [errors.Is] and [errors.As] look at each of them. One error alone is printed as it
// is.
type GroupError struct {
	Message string  // what Error begins with
	Errors  []error // in the order in which they came; that of the body is the last
}

func (e *GroupError) Error() string {
	if len(e.Errors) == 1 {
		return e.Errors[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d errors)", e.Message, len(e.Errors))
	for i, err := range e.Errors {
		if i == 10 && len(e.Errors) > 11 {
			fmt.Fprintf(&b, "; and %d more", len(e.Errors)-i)
			break
		}
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + err.Error())
	}
	return b.String()
}

// Unwrap returns the errors.
func (e *GroupError) Unwrap() []error { return e.Errors }

// A PanicError is the error of a task, or of a job in an executor, that
// panicked.
type PanicError struct {
	Value any    // what panic was given
	Stack []byte // where, as [runtime/debug.Stack] prints it
}

func (e *PanicError) Error() string { return fmt.Sprintf("asyncio: panic: %v", e.Value) }

// Unwrap returns the value, where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// joinClose adds the error of closing something to what happened before.
func joinClose(err, closeErr error) error {
	if closeErr == nil {
		return err
	}
	return errors.Join(err, closeErr)
}

// endedError is the error of a function that was cancelled because a context ended.
type endedError struct {
	op               string
	cancelled, cause error
}

func (e *endedError) Error() string   { return "asyncio: " + e.op + ": " + e.cause.Error() }
func (e *endedError) Unwrap() []error { return []error{e.cause, e.cancelled} }
