package asyncio

import "context"

// An Event is a flag that tasks can wait for. Python: Event.
//
// The zero value is an event that is not set. All methods are for the loop's
// goroutine.
type Event struct {
	lot parkingLot
	set bool
}

// NewEvent makes an event, which is not set. Python: Event().
func NewEvent() *Event { return new(Event) }

// IsSet reports whether the event is set. Python: Event.is_set.
func (e *Event) IsSet() bool { return e.set }

// Set sets the event and wakes all that wait for it. Python: Event.set.
func (e *Event) Set() {
	e.lot.mustBeHere()
	if !e.set {
		e.set = true
		e.lot.wakeAll()
	}
}

// Clear unsets the event. Tasks that were woken stay so. Python: Event.clear.
func (e *Event) Clear() {
	e.lot.mustBeHere()
	e.set = false
}

// Wait suspends the running task until the event is set; it returns at once,
// without a turn of the loop, when it is. Python: Event.wait.
func (e *Event) Wait(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return e.wait(t, level)
}

func (e *Event) wait(t *task, level context.Context) error {
	if e.set {
		return nil
	}
	_, err := e.lot.park(t, level, e)
	return err
}
