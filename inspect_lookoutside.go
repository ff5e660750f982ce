package asyncio

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lookOutside returns what can be seen of a loop that does not answer: what holds it,
// where its suspended coroutines stand, and of its tasks what lies in single words.
func (l *Loop) lookOutside(p *presence, o LookOptions) *LoopLook {
	return l.lookAtHung(p, o, profileOf(p.label))
}

func (l *Loop) lookAtHung(p *presence, o LookOptions, seen loopProfile) *LoopLook {
	k := &LoopLook{Loop: p.number, State: "stuck", Level: Insight().String(), Stuck: stalls.standing(&p.stall)}
	pulse := takePulse(l)
	l.peekStats(k)
	l.peek(k, o, pulse.task)
	k.Places = placesOf(seen.suspended)
	if seen.culprit != nil {
		k.Culprit = seen.culprit.look(pulse.task, k.nameIn(pulse.task))
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

// nameIn returns the name of a task as k has it.
func (k *LoopLook) nameIn(id uint64) string {
	if id == 0 {
		return ""
	}
	i, ok := slices.BinarySearchFunc(k.Tasks, id, func(t TaskLook, id uint64) int { return cmp.Compare(t.ID, id) })
	if ok {
		return k.Tasks[i].Name
	}
	return defaultName(id)
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
	k.Now = l.now
	if l.watched == nil { // a clock that any goroutine may read
		k.Now = l.clock.Now()
	}
}

// maxPeeked is how many tasks are gone through at most: the list may be read while it
// is written, and lead anywhere.
const maxPeeked = 1 << 20

// peek reads the tasks of a loop that is held up, from another goroutine. It reads
// single words, each of which was written at some time, and of strings only such as
// do not change. What it finds may be of different moments. So the race detector is
// not asked, and an invalid address is no reason to end.
//
//go:norace
func (l *Loop) peek(k *LoopLook, o LookOptions, running uint64) {
	defer func() { _ = recover() }() // what was found so far is there
	last := uint64(0)
	n := 0
	for t := l.tasks.head; t != nil && n < maxPeeked; t = t.next {
		n++
		if t.id <= last {
			break // it is in the list no more
		}
		last = t.id
		if t.id <= o.After && t.id != running {
			continue
		}
		if len(k.Tasks) >= o.Tasks && t.id != running {
			k.More = true
			continue
		}
		k.Tasks = append(k.Tasks, t.peek(k.Now, running))
	}
}

//go:norace
func (t *task) peek(now time.Duration, running uint64) TaskLook {
	k := TaskLook{ID: t.id, Parent: t.parentOutside(), Name: "Task-" + strconv.FormatUint(t.id, 10), For: -1, Steps: t.waits}
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
		k.State, k.Waits = "waits", &WaitLook{Kind: "sleep"}
	case waiter != nil && waiter.state == pending:
		k.State, k.Waits = "waits", &WaitLook{Kind: "future"}
	default:
		k.State = "ready"
	}
	return k
}

// parentOutside is parent, from another goroutine.
//
//go:norace
func (t *task) parentOutside() uint64 { return fullParent(t.id, t.parentID) }
