package asyncio

import (
	"slices"
	"time"
)

// look shows what a loop has taken note of.
func (b *notebook) look(k *LoopLook) {
	k.Turns, k.Late, k.Steps = b.turns.look(), b.late.look(), b.steps.look()
	_, slow := b.slow.since(0)
	for _, s := range slices.Backward(slow) {
		k.Slow = append(k.Slow, StepLook{Of: s.of, At: s.at, Took: s.took, Task: s.task, Name: nameOf(s.task, s.name)})
	}
	_, ended := b.ended.since(0)
	for _, e := range slices.Backward(ended) {
		k.Ended = append(k.Ended, e.look())
	}
}

// eventsAfter returns the events after the one of that number, as far as they are
// kept.
func (b *notebook) eventsAfter(seq uint64) (list []EventLook) {
	first, events := b.events.since(seq)
	for i, e := range events {
		list = append(list, e.look(first+uint64(i)+1))
	}
	return list
}

// nameOf returns the name of a task, or "" for a callback.
func nameOf(id uint64, given string) string {
	if id == 0 || given != "" {
		return given
	}
	return defaultName(id)
}

func (h *histogram) look() HistogramLook {
	n := len(h)
	for n > 0 && h[n-1] == 0 {
		n--
	}
	return HistogramLook{Counts: slices.Clone(h[:n])}
}

func (e *endedTask) look() EndLook {
	k := EndLook{ID: e.id, Parent: fullParent(e.id, e.parent), Name: nameOf(e.id, e.name), Ended: e.at, Busy: time.Duration(e.busy) * time.Microsecond, Steps: e.steps, State: "done", Err: e.error}
	switch {
	case e.failed:
		k.State = "failed"
	case e.state == cancelled:
		k.State = "cancelled"
	}
	return k
}

var eventNames = [...]string{taskMade: "made", taskEnded: "ended", loopParked: "park", stepTaken: "step"}

func (e *loopEvent) look(seq uint64) EventLook {
	k := EventLook{Seq: seq, At: e.at, Kind: eventNames[e.kind], Task: e.task, Took: e.took, Parent: e.parent}
	if e.kind == stepTaken && e.took >= slowerThan {
		k.Kind = "slow"
	}
	return k
}
