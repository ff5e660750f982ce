package asyncio

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lookAtHung returns what can be seen of a loop that does not answer: what holds it,
// where its suspended coroutines stand, and of its tasks what lies in single words.
func (a *asker) lookAtHung(seen loopProfile) *LoopLook {
	l, p := a.request.loop, a.presence
	k := &LoopLook{Loop: p.number, State: "stuck", Level: Insight().String(), Stuck: stalls.standing(&p.stall)}
	pulse := takePulse(l)
	l.peekStats(k)
	a.tellKept(k)
	name := a.peekTasks(k, pulse.task)
	k.Places = placesOf(seen.suspended)
	if seen.culprit != nil {
		k.Culprit = seen.culprit.look(pulse.task, name)
	}
	return k
}

// placesOf returns where coroutines stand, most of them first. Stacks that differ only
// in what resumed the coroutine are one place.
func placesOf(all []standing) (places []PlaceLook) {
	for _, s := range all {
		stack := looksOf(trimStack(s.frames))
		i := slices.IndexFunc(places, func(p PlaceLook) bool { return slices.Equal(p.Stack, stack) })
		if i < 0 {
			i, places = len(places), append(places, PlaceLook{Stack: stack})
		}
		places[i].Count += s.count
	}
	slices.SortStableFunc(places, func(a, b PlaceLook) int { return cmp.Compare(b.Count, a.Count) })
	return places
}

// look returns the culprit as a look shows it.
func (c *culprit) look(task uint64, name string) *CulpritLook {
	frames := c.ownFrames()
	for len(frames) > 1 && strings.HasPrefix(frames[0].Function, runtimeParts) {
		frames = frames[1:] // how the runtime parks a goroutine
	}
	return &CulpritLook{Task: task, Name: name, Doing: c.doing, Hint: c.hint, Place: c.place(), Stack: looksOf(frames)}
}

// peekStats reads what the loop has counted, as peek does.
//
//go:norace
func (l *Loop) peekStats(k *LoopLook) {
	c := &l.counts
	k.Stats = Stats{
		Tasks: l.tasks.n, TasksMade: l.tasks.made, Jobs: int(l.inbox.outside.Load()),
		Turns: c.turns, Parks: c.parks, TimersFired: c.timers, Lag: c.lag, MaxLag: c.maxLag, Busy: c.busy, Idle: c.idle,
	}
	k.Busy = k.Stats.BusyRatio()
	k.Now = l.peekNow()
}

// peekNow reads the loop's clock from any goroutine, as peek does.
//
//go:norace
func (l *Loop) peekNow() time.Duration {
	if l.watched == nil { // a clock that any goroutine may read
		return l.clock.Now()
	}
	return l.now
}

// maxPeeked is how many tasks are gone through at most: the list may be read while it
// is written, and lead anywhere.
const maxPeeked = 1 << 20

// peekTasks tells of the tasks from outside, after those that were seen already, and
// returns the name of the one that runs.
func (a *asker) peekTasks(k *LoopLook, running uint64) (name string) {
	p := newPeeker(a, k.Now, running)
	for over := false; !over; {
		over = p.look()
		for i := range p.found {
			s := &p.found[i]
			if s.ID == running {
				if name = s.Name; s.ID <= a.last {
					continue // it was told of when the loop did answer
				}
			}
			if a.options.Each != nil {
				a.options.Each(&s.TaskLook)
			} else {
				a.keep(s)
			}
		}
	}
	if a.options.Each == nil {
		k.Tasks = a.tasks
	}
	k.More = p.more
	if name == "" && running != 0 {
		name = defaultName(running)
	}
	return name
}

// A peeker goes through the tasks of a loop that is held up, from another goroutine. It
// reads single words, each of which was written at some time, and of strings only such
// as do not change. What it finds may be of different moments. So the race detector is
// not asked, and an invalid address is no reason to end.
type peeker struct {
	next    *task
	passed  int    // how many
	last    uint64 // the last of them
	now     time.Duration
	running uint64 // the task that runs, which is always found
	after   uint64
	left    int // so many are still to be found
	more    bool
	found   []seenTask
}

//go:norace
func newPeeker(a *asker, now time.Duration, running uint64) *peeker {
	return &peeker{
		next: a.request.loop.tasks.head, now: now, running: running,
		after: max(a.options.After, a.last), left: a.options.Tasks - a.seen,
		found: make([]seenTask, 0, pieceTasks),
	}
}

// look finds some tasks, and reports whether those were the last.
//
//go:norace
func (p *peeker) look() (over bool) {
	defer func() { over = recover() != nil || over }() // what was found so far is there
	p.found = p.found[:0]
	for len(p.found) < cap(p.found) {
		t := p.next
		if t == nil || p.passed == maxPeeked || t.id <= p.last { // it is in the list no more
			return true
		}
		p.passed++
		p.last = t.id
		p.next = t.next
		if t.id != p.running {
			if t.id <= p.after {
				continue
			}
			if p.left <= 0 {
				p.more = true
				continue
			}
		}
		p.left--
		p.found = p.found[:len(p.found)+1]
		s := &p.found[len(p.found)-1]
		*s = seenTask{}
		t.peek(s, p.now, p.running)
	}
	return false
}

//go:norace
func (t *task) peek(s *seenTask, now time.Duration, running uint64) {
	s.TaskLook = TaskLook{ID: t.id, Parent: t.parentOutside(), Name: "Task-" + strconv.FormatUint(t.id, 10), For: -1, Steps: t.waits}
	k := &s.TaskLook
	k.Busy = time.Duration(t.busy) * time.Microsecond
	if r := t.rare; r != nil {
		k.Cancels = r.cancels
		if r.name != "" {
			k.Name = r.name
		}
	}
	if Insight() != InsightOff {
		k.For = since(t.sinceLow, t.sinceHigh, now)
	}
	sleeping, waiter := t.sleeping, t.waiter
	switch {
	case t.id == running:
		k.State = "runs"
	case t.co == nil:
		k.State = "not started"
	case sleeping != nil && sleeping.task != nil:
		k.State, k.Waits, s.waits.Kind = "waits", &s.waits, "sleep"
	case waiter != nil && waiter.state == pending:
		k.State, k.Waits, s.waits.Kind = "waits", &s.waits, "future"
	default:
		k.State = "ready"
	}
}

// parentOutside is parent, from another goroutine.
//
//go:norace
func (t *task) parentOutside() uint64 { return fullParent(t.id, t.parentID) }
