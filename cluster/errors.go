package cluster

import (
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio"
)

// ErrClosed is the error of a job whose client was closed before its result had
// come, and of what is asked of a closed client. The job itself goes on.
var ErrClosed = errors.New("cluster: the client is closed")

// ErrTimeout is the error of a job that was not done within the time of
// [WithTimeout].
var ErrTimeout = errors.New("cluster: the job has run out of its time")

// ErrUnknownFunction is the error of a job whose function no worker has
// registered.
var ErrUnknownFunction = errors.New("cluster: no worker has registered the function")

// ErrWorkersDied is the error of a job that was begun several times and whose
// worker died, or was not heard of any more, each time.
var ErrWorkersDied = errors.New("cluster: the workers that ran the job have died")

// A JobError is the error of a job: of its function, which is a
// [*asyncio.RemoteError] or a [*asyncio.PanicError], or [ErrTimeout],
// [ErrUnknownFunction], [ErrWorkersDied] or [asyncio.ErrMessageTooLarge].
type JobError struct {
	Function   string // as it was registered
	Attempts   int    // how often the function was called
	DeadLetter bool   // the job is among the dead letters
	Err        error
}

// Error implements error.
func (e *JobError) Error() string {
	s := fmt.Sprintf("cluster: job %s: %v", e.Function, e.Err)
	if e.Attempts > 1 {
		s += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	return s
}

// Unwrap returns Err.
func (e *JobError) Unwrap() error { return e.Err }

// failure returns the error that a reply is about.
func (r *reply) failure(function string) error {
	e := &JobError{Function: function, Attempts: int(r.attempts), DeadLetter: r.buried}
	switch r.kind {
	case replyPanicked:
		e.Err = &asyncio.PanicError{Value: r.message, Stack: r.body}
	case replyTimedOut:
		e.Err = ErrTimeout
	case replyTooLarge:
		e.Err = fmt.Errorf("the result: %w: %s bytes", asyncio.ErrMessageTooLarge, r.message)
	case replyUnknown:
		e.Err = ErrUnknownFunction
	case replyCrashed:
		e.Err = ErrWorkersDied
	default:
		e.Err = &asyncio.RemoteError{Function: function, Message: r.message}
	}
	return e
}
