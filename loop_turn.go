package asyncio

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// While handles are ready the loop looks for I/O and at the clock only now and
// then, because looking costs more than a short callback does: at the latest
// after so many turns, or when so much time has gone by.
const (
	maxTurnsUnpolled = 16
	maxTimeUnpolled  = 50 * time.Microsecond

	maxRunUnpolled     = 512 // or after so many callbacks and steps
	turnsBetweenClocks = 8   // a power of two
)

// maxTimeUnyielded is how long a loop that never parks runs before it lets
// other goroutines run.
const maxTimeUnyielded = time.Millisecond

// A pace is where a loop is in its turns, and when it looks for I/O next.
type pace struct {
	parked        bool // it waits for the driver
	batch         int  // what is left of the handles of this turn
	turns         int  // turns since the last poll
	ran           int  // handles of these turns
	turnsUnpolled int  // after how many turns to poll again
	polled        time.Duration
	yielded       time.Duration // when the loop last parked or let others run
}

// turn is one round of the loop: look what has happened, and run what was
// ready when it began. What that makes ready runs in the next.
func (l *Loop) turn() error {
	if err := l.poll(); err != nil {
		return err
	}
	l.drain()
	for when, ok := l.timers.First(); ok && when <= int64(l.now); when, ok = l.timers.First() {
		l.counts.timer(int64(l.now) - when)
		if l.notes.level != notesOff && l.counts.timers%timersUnnoted == 0 {
			l.notes.book.late.add(time.Duration(int64(l.now)-when), timersUnnoted)
		}
		l.ready.Push(l.timers.Pop().Value)
	}
	l.pace.batch = l.ready.Len()
	if l.arrange != nil && l.pace.batch > 0 {
		l.pace.batch = l.arrange()
	}
	l.pace.ran += l.pace.batch
	for l.pace.batch > 0 {
		l.runBatch()
	}
	return nil
}

// poll lets the driver report, and reads the clock. It waits when nothing is
// ready, and does nothing when there is, and the last time was just now.
func (l *Loop) poll() error {
	var err error
	parked := false
	if l.watched != nil {
		l.watched.look(l)
	}
	l.pace.turns++
	switch {
	case l.ready.Len() == 0 && !l.stopping && !l.inbox.filled():
		until := driver.Forever
		if when, ok := l.timers.First(); ok {
			until = time.Duration(when)
		}
		if l.coros.Idle() > coro.Kept && l.watched == nil {
			until = min(until, l.trim())
		}
		if until <= l.now {
			err = l.driver.Poll() // a timer is due
		} else {
			parked = true
			l.counts.parking(l)
			l.pace.parked = true
			err = l.clock.Park(until, l.inbox.isFilled)
			l.pace.parked = false
		}
		l.pace.turnsUnpolled = 1
	case l.pace.turns >= l.pace.turnsUnpolled || l.pace.ran > maxRunUnpolled:
		err = l.driver.Poll()
	default:
		return nil
	}
	if err != nil {
		if errors.Is(err, driver.ErrIdle) {
			return l.stuck()
		}
		return fmt.Errorf("asyncio: %s driver: %w", l.driver.Name(), err)
	}
	l.adapt(l.Time(), parked)
	return nil
}

// Coroutines that a burst has left are given back to the system: trimEvery is how
// often a loop that has nothing to do looks how many those are, and shedPause how
// long it lets others work between two batches of them. A million are gone in some
// seconds.
const (
	trimEvery = 500 * time.Millisecond
	shedPause = 500 * time.Microsecond
)

// gaveBack is when the loop has last looked which coroutines to give back, and when
// it has last ended some.
type gaveBack struct{ looked, ended time.Duration }

// trim gives some of the idle coroutines back, when it is time, and returns when
// it will be again.
func (l *Loop) trim() time.Duration {
	if l.now-l.gaveBack.looked >= trimEvery {
		l.coros.Trim()
		l.gaveBack.looked = l.now
	}
	if l.coros.Excess() == 0 {
		return l.gaveBack.looked + trimEvery
	}
	if l.now-l.gaveBack.ended >= shedPause {
		l.coros.Shed()
		l.gaveBack.ended = l.Time()
	}
	return l.gaveBack.ended + shedPause
}

// adapt chooses after how many turns to poll again, by how long the last ones
// took: so the clock need not be read in each to know that time has gone by.
func (l *Loop) adapt(now time.Duration, parked bool) {
	took := now - l.pace.polled
	if took > maxTimeUnpolled {
		l.pace.turnsUnpolled = 1
	} else if took < maxTimeUnpolled/4 {
		l.pace.turnsUnpolled = min(maxTurnsUnpolled, 2*l.pace.turnsUnpolled)
	}
	l.counts.polled(l.pace.turns, took, parked)
	if l.notes.level != notesOff {
		l.notePolled(now, took, parked)
	}
	l.pace.polled, l.pace.turns, l.pace.ran = now, 0, 0
	l.timers.Trim()

	// A loop that always has something ready never blocks, nor does one whose
	// parks always find an event. On one processor the goroutines it may wait
	// for, those of executors and resolvers, would then run only when the
	// runtime preempts it, every ten milliseconds. So it steps aside.
	if now-l.pace.yielded > maxTimeUnyielded {
		l.pace.yielded = now
		if !parked || took <= maxTimeUnyielded { // else it has just slept
			runtime.Gosched()
		}
	}
}

// runBatch runs the handles of this turn, and of those after it that have
// nothing else to do, until one panics.
func (l *Loop) runBatch() {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // not a Goexit, which goes its way
			p := &PanicError{Value: v, Stack: debug.Stack()}
			if l.notes.level != notesOff {
				l.notes.book.notePanic(0, p)
			}
			l.handleException(ExceptionContext{Message: "panic in a callback", Err: p})
		}
	}()
	for more := true; more; more = l.nextBatch() {
		for l.pace.batch > 0 {
			r := l.ready.Pop()
			l.pace.batch--
			if l.notes.level == notesTimed {
				if _, ok := r.(*task); !ok { // a task says so itself
					l.noteRun(nil)
				}
			}
			if l.probe == nil {
				r.run()
			} else {
				l.probe.run(r)
			}
		}
	}
	returned = true
}

// nextBatch begins the next turn, where there is nothing to do in it but to run
// what is ready. It saves the way out of runBatch and in again.
func (l *Loop) nextBatch() bool {
	if l.watched != nil {
		return l.nextStepped()
	}
	if l.stopping || l.pace.turns+1 >= l.pace.turnsUnpolled || l.pace.ran > maxRunUnpolled || l.inbox.filled() {
		return false
	}
	if l.pace.turns%turnsBetweenClocks == turnsBetweenClocks-1 && l.clock.Now()-l.pace.polled > maxTimeUnpolled {
		l.pace.turnsUnpolled = 1 // callbacks are slower than they were
		return false
	}
	if when, ok := l.timers.First(); ok && when <= int64(l.now) {
		return false
	}
	l.pace.turns++
	l.pace.batch = l.ready.Len()
	l.pace.ran += l.pace.batch
	return l.pace.batch > 0
}

// nextStepped is nextBatch of a loop on a clock that is not the real one: whoever
// steps it says whether it goes on.
func (l *Loop) nextStepped() bool {
	w := l.watched
	if w.again == nil || len(w.waits) > 0 || l.stopping || l.ready.Len() == 0 || l.inbox.filled() {
		return false
	}
	if when, ok := l.timers.First(); ok && when <= int64(l.now) || !w.again() {
		return false
	}
	l.pace.turns++
	l.pace.batch = l.ready.Len()
	return true
}
