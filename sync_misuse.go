package asyncio

import "errors"

// ErrNotAcquired says that something was released, waited on or notified by a
// task while nobody held it. Python: RuntimeError.
var ErrNotAcquired = errors.New("asyncio: not acquired")

// A MisuseError says that a program used a primitive as it must not be used:
// it released a lock that nobody held, or called TaskDone once too often. It is
// returned where the function returns an error, and else is what it panics
// with. Err says what was wrong, and may be looked for with [errors.Is].
type MisuseError struct {
	Op  string // as "Lock.Release"
	Err error
}

func (e *MisuseError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *MisuseError) Unwrap() error { return e.Err }

// misuse makes a MisuseError, but none while a loop closes: then every wait
// fails, and code that gives back what it could not get is not to blame.
func misuse(p *parkingLot, op string, err error) error {
	if p.loop != nil && p.loop.closing {
		return nil
	}
	return &MisuseError{Op: op, Err: err}
}
