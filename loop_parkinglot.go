package asyncio

import (
	"context"
	"fmt"
)

// A parkingLot is where tasks wait until somebody wakes them: the one place
// under all locks and queues where that is done.
//
// Tasks are woken in the order in which they came. A waiter stays in the lot
// until its task has run again, and park says how the wait went:
//
//   - woken, err == nil: the task has what it waited for;
//   - not woken, err != nil: the wait was cancelled, or its context ended;
//   - woken, err != nil: both, in the same turn. The task was given a token
//     that it will not use. Whoever called park must pass it on, or it is lost
//     and with it, often, the program.
//
// The zero value is ready for use. A lot belongs to the loop of the task that
// parked there first.
type parkingLot struct {
	loop       *Loop
	head, tail *waiter
	next       *waiter // the first that may not be woken yet; all before it are done
	live       int     // waiters in the lot that were not cancelled
}

// A waiter is a task's place in a lot. Nobody but the lot and the task knows
// its future.
type waiter struct {
	future
	lot        *parkingLot
	what       any // whose lot it is, for who looks into the loop; or nil
	prev, next *waiter
}

// bind makes the lot one of the loop, or returns an error when it belongs to another.
func (p *parkingLot) bind(l *Loop) error {
	if p.loop == nil {
		p.loop = l
	}
	if p.loop != l {
		return fmt.Errorf("wait: %w", ErrWrongLoop)
	}
	return nil
}

// mustBeHere panics, in debug mode, on a goroutine that must not use what the lot is
// for. Before a task has waited, nobody knows whose that is.
func (p *parkingLot) mustBeHere() {
	if p.loop != nil && p.loop.probe != nil {
		p.loop.probe.mustBeHere()
	}
}

// park suspends t, which must be the running task, until it is woken, or
// cancelled, or level ends. What the lot is of is for those who look into the loop.
func (p *parkingLot) park(t *task, level context.Context, what any) (woken bool, err error) {
	if err := p.bind(t.loop); err != nil {
		return false, err
	}
	if t.loop.closing {
		return false, t.refuse()
	}
	w := p.append(t)
	w.what = what
	w.callback, t.waiter = t, &w.future // task.wait, written out: see coro.Pool.Suspend
	if t.mustCancel && w.cancelWith(t.cancelCause()) {
		t.mustCancel = t.insistent
	}
	if level == nil || level.Done() == nil {
		err = t.suspend()
	} else {
		err = t.suspendUntil(level)
	}
	woken = w.state == finished
	p.remove(w)
	t.loop.waiters.put(w)
	return woken, err
}

// append puts t at the end of the lot.
func (p *parkingLot) append(t *task) *waiter {
	w := t.loop.waiters.get()
	*w = waiter{lot: p, prev: p.tail}
	w.future.loop = t.loop
	w.canceller = w
	if p.tail == nil {
		p.head = w
	} else {
		p.tail.next = w
	}
	p.tail = w
	if p.next == nil {
		p.next = w
	}
	p.live++
	return w
}

func (p *parkingLot) remove(w *waiter) {
	if p.next == w {
		p.next = w.next
	}
	if w.prev == nil {
		p.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		p.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.lot, w.what, w.canceller, w.prev, w.next = nil, nil, nil, nil, nil
	if w.state != cancelled {
		p.live--
	}
}

// cancelWith is what a cancellation of the waiting task comes to.
func (w *waiter) cancelWith(cause error) bool {
	if !w.cancelPlain(cause) {
		return false
	}
	w.lot.live--
	return true
}

// wake wakes the task that has waited the longest and was neither woken nor
// cancelled yet. It returns false when there is none.
func (p *parkingLot) wake() bool {
	for p.next != nil {
		w := p.next
		p.next = w.next
		if w.state == pending {
			w.setResult()
			return true
		}
	}
	return false
}

// wakeAll wakes all that wait.
func (p *parkingLot) wakeAll() {
	for p.wake() {
	}
}
