package asyncio

import (
	"errors"
	"math/bits"
	"time"
)

// notes is what a loop takes note of for those who look into it. Who does not look
// pays a comparison of level for each task and each step.
type notes struct {
	level   noteLevel
	telling bool      // events are noted
	book    *notebook // nil while level is notesOff
}

type noteLevel uint8

const (
	notesOff   noteLevel = iota
	notesOn              // what needs no clock but the one that is read anyway
	notesTimed           // each step and callback is timed, now
)

// A notebook is the notes themselves. All of it is bounded.
type notebook struct {
	everyStep bool          // steps are always timed
	timedFor  int           // so many more steps are timed
	untimed   int           // of short ones, so many are passed over until some are timed again
	weight    uint32        // for how many each of them counts
	tellUntil time.Duration // until then events are noted
	onPanic   func(task uint64, p *PanicError)

	began   time.Duration // when the step that is timed began
	stepper *task         // whose it is; nil: a callback's
	inStep  bool

	turns, late, steps histogram
	slow               lastOf[longStep]
	ended              lastOf[endedTask]
	events             lastOf[loopEvent]
}

const (
	longSteps  = 64
	endedTasks = 64
	// While nobody asks for events few are kept: those that are slow are noted anyway.
	// The collector would run more often for more, by 4 % of a timer's costs.
	fewEvents  = 64
	loopEvents = 4096

	timersUnnoted = 4 // each so many-th timer counts for so many

	// slowerThan is what makes a step slow; timedAbove what steps take on the average
	// where the next timedSteps are worth timing, which costs as much as a short one.
	slowerThan = time.Millisecond
	// Steps that were not timed are slow together.
	slowTogether = 10 * time.Millisecond
	timedAbove   = 2 * time.Microsecond
	timedSteps   = 256
	// Up to allTimedAbove some are timed and stand for the others: what they take is as
	// much as an echo server's, which would feel it by two to three in a hundred.
	allTimedAbove = 20 * time.Microsecond
	oneTimedOf    = 8
)

// A longStep is a step of a task, or a callback, that took long.
type longStep struct {
	at, took time.Duration
	of       int
	task     uint64
	name     string
}

// An endedTask is what is kept of a task that has ended. Its error is not: that may
// hold on to anything.
type endedTask struct {
	id          uint64
	at          time.Duration
	busy        uint32 // microseconds
	parent      uint32 // as in task
	steps       uint32
	state       futureState
	failed      bool
	name, error string
}

type eventKind uint8

const (
	taskMade eventKind = iota
	taskEnded
	loopParked
	stepTaken
)

type loopEvent struct {
	at, took     time.Duration
	task, parent uint64
	kind         eventKind
}

// A histogram counts durations by their size: [0] those below 128 ns, each after it
// those up to twice the one before.
type histogram [32]uint64

// add counts n durations of d, which is not negative.
func (h *histogram) add(d time.Duration, n int) {
	h[bits.Len64(uint64(d)>>7)%len(h)] += uint64(n)
}

// A lastOf is the last things of a kind.
type lastOf[T any] struct {
	all  []T // a ring, the newest before n; its length is a power of two
	n    uint64
	from uint64 // those before were dropped when the ring was smaller
}

func (s *lastOf[T]) add(x T) { *s.next() = x }

// next returns the place for the next one, in which the oldest stands.
func (s *lastOf[T]) next() *T {
	x := &s.all[s.n&uint64(len(s.all)-1)]
	s.n++
	return x
}

// since returns those after the first n, as far as they are kept, the oldest first,
// with the number of the first.
func (s *lastOf[T]) since(n uint64) (first uint64, list []T) {
	size := uint64(len(s.all))
	n = max(n, s.from)
	if s.n > size {
		n = max(n, s.n-size)
	}
	for i := n; i < s.n; i++ {
		list = append(list, s.all[i%size])
	}
	return n, list
}

// keep makes it the last size things, a power of two.
func (s *lastOf[T]) keep(size int) {
	if len(s.all) == size {
		return
	}
	all := make([]T, size)
	first, list := s.since(0)
	for i, x := range list {
		all[(first+uint64(i))&uint64(size-1)] = x
	}
	s.all, s.from = all, first
}

func newNotebook() *notebook {
	return &notebook{
		weight: 1,
		slow:   lastOf[longStep]{all: make([]longStep, longSteps)},
		ended:  lastOf[endedTask]{all: make([]endedTask, endedTasks)},
		events: lastOf[loopEvent]{all: make([]loopEvent, fewEvents)},
	}
}

// set makes the loop take note, of each step if everyStep, or no more.
func (n *notes) set(on, everyStep bool) {
	if !on {
		*n = notes{}
		return
	}
	if n.book == nil {
		n.book = newNotebook()
	}
	n.book.everyStep = everyStep
	n.level = notesOn
	if everyStep {
		n.level = notesTimed
	}
	n.setTelling(everyStep)
}

// tell notes events until then.
func (n *notes) tell(until time.Duration) {
	n.book.tellUntil = until
	n.setTelling(true)
}

// setTelling makes the loop note events, or no more.
func (n *notes) setTelling(on bool) {
	n.telling = on
	if on {
		n.book.events.keep(loopEvents)
	} else {
		n.book.events.keep(fewEvents)
	}
}

// noteMade notes a new task, which the running one has made.
func (l *Loop) noteMade(t *task) {
	t.setSince(l.now)
	if l.current != nil {
		t.parentID = uint32(l.current.id)
	}
	if l.notes.telling {
		l.notes.book.events.add(loopEvent{at: l.now, task: t.id, parent: t.parent(), kind: taskMade})
	}
}

// noteRun notes that a step of t, or a callback where t is nil, begins, and so that
// the one before has ended. It is called deep in the stacks of tasks.
func (l *Loop) noteRun(t *task) {
	b := l.notes.book
	now := l.clock.Now()
	b.endStep(now)
	b.began, b.stepper, b.inStep = now, t, true
	l.now = now
	if b.timedFor--; b.timedFor <= 0 && !b.everyStep {
		l.notes.level = notesOn
	}
}

// endStep ends the step that is timed.
func (b *notebook) endStep(now time.Duration) {
	if !b.inStep {
		return
	}
	b.inStep = false
	took := now - b.began
	b.steps.add(took, int(b.weight))
	t := b.stepper
	if t != nil {
		t.busy += uint32(took/time.Microsecond) * b.weight
	}
	if took >= slowerThan || b.everyStep {
		b.noteLongStep(t, took)
	}
	b.stepper = nil
}

func (b *notebook) noteLongStep(t *task, took time.Duration) {
	s := longStep{at: b.began, took: took, of: 1}
	if t != nil {
		s.task = t.id
	}
	b.events.add(loopEvent{at: b.began, took: took, task: s.task, kind: stepTaken})
	if took < slowerThan {
		return
	}
	if t != nil {
		s.name = t.givenName()
	}
	b.slow.add(s)
}

// notePolled notes that the loop has looked at the driver, and chooses whether steps
// are timed until it does so again.
func (l *Loop) notePolled(now, took time.Duration, parked bool) {
	b := l.notes.book
	if !parked {
		if took >= slowTogether && l.notes.level != notesTimed {
			b.slow.add(longStep{at: now - took, took: took, of: l.pace.ran})
			b.events.add(loopEvent{at: now - took, took: took, kind: stepTaken})
		}
		b.endStep(now)
		each := took
		if l.pace.turns > 1 { // a division takes as long as all else here
			each /= time.Duration(l.pace.turns)
		}
		b.turns.add(each, l.pace.turns)
	} else {
		b.inStep, b.stepper = false, nil
		if l.notes.telling {
			b.events.add(loopEvent{at: now, took: took, kind: loopParked})
		}
	}
	if l.notes.telling && !b.everyStep && now >= b.tellUntil {
		l.notes.setTelling(false)
	}
	if !parked && took > time.Duration(l.pace.ran)*timedAbove && b.timeAgain(l.pace.ran, took) {
		l.notes.level, b.timedFor = notesTimed, timedSteps
	}
}

// timeAgain reports whether the next steps are to be timed, when the last took so long.
func (b *notebook) timeAgain(steps int, took time.Duration) bool {
	if b.everyStep || took > time.Duration(steps)*allTimedAbove {
		b.weight, b.untimed = 1, 0
		return true
	}
	passed := b.untimed > 0
	if b.untimed -= steps; b.untimed > 0 {
		return false
	}
	b.weight, b.untimed = 1, oneTimedOf*timedSteps
	if passed {
		b.weight = oneTimedOf
	}
	return true
}

// noteEnded notes that t has ended.
func (l *Loop) noteEnded(t *task) {
	b := l.notes.book
	now := l.now
	if b.inStep && b.stepper == t {
		now = l.clock.Now()
		b.endStep(now)
	}
	e := b.ended.next()
	e.id, e.at, e.busy, e.steps, e.state, e.failed = t.id, now, t.busy, t.waits, finished, false
	e.parent = t.parentID
	if e.name != "" || t.rare != nil {
		e.name = t.givenName()
	}
	if e.error != "" {
		e.error = ""
	}
	if err := t.future.err; err != nil {
		if IsCancelled(err) {
			e.state = cancelled
		} else {
			e.failed, e.error = true, shortText(err)
			b.notePanic(t.id, err)
		}
	} else if t.mustCancel && !t.insistent {
		e.state = cancelled
	}
	if l.notes.telling {
		b.events.add(loopEvent{at: now, task: t.id, parent: t.parent(), kind: taskEnded})
	}
}

// notePanic notes that a task, or a callback where that is 0, has ended by err.
func (b *notebook) notePanic(task uint64, err error) {
	var p *PanicError
	if b.onPanic != nil && errors.As(err, &p) {
		b.onPanic(task, p)
	}
}

// shortText returns the beginning of an error's text, whatever its Error does.
func shortText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "an error whose text cannot be had"
		}
	}()
	text = err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "..."
	}
	return text
}

const maxErrorText = 200

// What a task notes of itself takes sixteen bytes.
// When it last went on, or was made, is on the clock that was last read, in 40 bits:
// 36 years in units of 2^20 ns, which are about a millisecond. The first of them is 1:
// a task of which nobody took note has 0.
const sinceUnit = 20

func (t *task) setSince(now time.Duration) {
	u := uint64(now)>>sinceUnit + 1
	t.sinceLow, t.sinceHigh = uint32(u), uint8(u>>32)
}

// since returns how long ago a task went on, or -1 where nobody took note.
func since(low uint32, high uint8, now time.Duration) time.Duration {
	u := uint64(high)<<32 | uint64(low)
	if u == 0 {
		return -1
	}
	return max(0, now-time.Duration(u-1)<<sinceUnit)
}

// parent returns the number of the task that has made t, or 0. Of that 32 bits are
// kept: it is the last such number before t's own.
func (t *task) parent() uint64 { return fullParent(t.id, t.parentID) }

func fullParent(id uint64, low uint32) uint64 {
	if low == 0 {
		return 0
	}
	p := id&^0xffffffff | uint64(low)
	if p > id {
		p -= 1 << 32
	}
	return p
}
