package asyncio

import "slices"

// holders are the tasks that hold something which several may hold, as far as a loop
// takes note of that: those that have taken from a semaphore, or items from a queue.
// The zero value is ready for use, and is all there is while nobody takes note.
type holders struct{ list *holderList }

type holderList struct {
	loop *Loop
	ids  []uint64 // the oldest first; one may be there several times
}

// maxHolders is the most that are noted: with more of them it says little who they are.
const maxHolders = 64

// add notes that t holds, if its loop takes note.
func (h *holders) add(t *task) {
	if t.loop.notes.level == notesOff {
		return
	}
	if h.list == nil {
		h.list = &holderList{loop: t.loop}
	}
	if len(h.list.ids) < maxHolders {
		h.list.ids = append(h.list.ids, t.id)
	}
}

// drop notes that one of them holds no more: the running task, if it is among them,
// else the one that has held the longest.
func (h *holders) drop() {
	s := h.list
	if s == nil || len(s.ids) == 0 {
		return
	}
	i := 0
	if t := s.loop.current; t != nil {
		i = max(0, slices.Index(s.ids, t.id))
	}
	s.ids = slices.Delete(s.ids, i, i+1)
}

// tasks returns their numbers, each once.
func (h *holders) tasks() []uint64 {
	if h.list == nil {
		return nil
	}
	ids := slices.Clone(h.list.ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}
