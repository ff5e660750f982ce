package asyncio

import (
	"fmt"
	"time"
)

// A waitDescriber knows what a wait for a future is for, and returns the object that
// is, as a pointer. It is the future's canceller, or one of its callbacks, or the owner
// of the parking lot.
type waitDescriber interface {
	describeWait(w *WaitLook) (object any)
}

// maxAsked is up to how many of a future's callbacks are asked what it is: there may be
// one for each of very many tasks that wait for it, and those do not know.
const maxAsked = 16

// whatAwaits says in w what a task that waits waits for, and returns the object that
// it is, or nil.
func (l *Loop) whatAwaits(t *task, w *WaitLook) (object any) {
	if t.asleep() {
		w.Kind = "sleep"
		if when, ok := l.timers.When(&t.sleeping.node); ok {
			w.Until = time.Duration(when)
		}
		return nil
	}
	f := t.waiter
	switch c := f.canceller.(type) {
	case waitDescriber:
		object = c.describeWait(w)
	case taskShell:
		w.Kind, w.Tasks = "task", []uint64{c.half().id}
		return nil
	}
	if w.Kind == "" {
		most := maxAsked
		for r := range f.callbacks {
			if d, ok := r.(waitDescriber); ok {
				d.describeWait(w)
			}
			if most--; most == 0 {
				break
			}
		}
	}
	if object == nil {
		object = f
	}
	return object
}

// describeWait implements waitDescriber: who has the lot knows.
func (w *waiter) describeWait(k *WaitLook) (object any) {
	if d, ok := w.what.(waitDescriber); ok {
		return d.describeWait(k)
	}
	return nil
}

// objectName returns what tells an object from others of the process.
func objectName(x any) string { return fmt.Sprintf("%p", x) }

// takesEdges reports whether what w waits for is tasks, as far as w itself does not
// know better.
func (w *WaitLook) takesEdges() bool {
	switch w.Kind {
	case "", "tasks":
		return true
	}
	return false
}

// A waiting is a task that waits for others: for all of them, or for any.
type waiting struct {
	id    uint64
	tasks []uint64
	any   bool
}

// findCycles returns the tasks that wait for each other in circles.
//
// A task that waits only for tasks of which none will ever go on will not go on
// either. What is left, when all are taken away that may go on, has a circle in it. A
// task that is in no list has ended, or waits for nothing that is known: who needs
// one that has ended, for it holds a lock, may be helped by another.
func findCycles(list []waiting) [][]uint64 {
	stuck := make(map[uint64]*waiting, len(list))
	for i := range list {
		stuck[list[i].id] = &list[i]
	}
	held := make(map[uint64]int, len(list))          // by how many
	behind := make(map[uint64][]*waiting, len(list)) // those that wait for a task
	var free []uint64
	for i := range list {
		w := &list[i]
		for _, id := range w.tasks {
			if stuck[id] != nil {
				held[w.id]++
				behind[id] = append(behind[id], w)
			}
		}
		if n := held[w.id]; n == 0 || w.any && n < len(w.tasks) {
			free = append(free, w.id)
		}
	}
	for len(free) > 0 {
		id := free[len(free)-1]
		free = free[:len(free)-1]
		if stuck[id] == nil {
			continue // by way of two
		}
		delete(stuck, id)
		for _, w := range behind[id] {
			if held[w.id]--; held[w.id] == 0 || w.any {
				free = append(free, w.id)
			}
		}
	}
	var cycles [][]uint64
	done := make(map[uint64]bool)
	for _, w := range list { // in their order
		if t := stuck[w.id]; t != nil && !done[t.id] {
			if c := followCycle(t, stuck, done); c != nil {
				cycles = append(cycles, c)
			}
		}
	}
	return cycles
}

// followCycle goes from a task to one that it waits for, and on, until it comes to one
// again. It returns that circle, if nobody has found it before.
func followCycle(t *waiting, stuck map[uint64]*waiting, done map[uint64]bool) []uint64 {
	place := make(map[uint64]int)
	var path []uint64
	for {
		i, again := place[t.id]
		if again || done[t.id] {
			for _, id := range path {
				done[id] = true
			}
			if again {
				return path[i:]
			}
			return nil
		}
		place[t.id] = len(path)
		path = append(path, t.id)
		var next *waiting
		for _, id := range t.tasks {
			if next = stuck[id]; next != nil {
				break
			}
		}
		t = next // there is one: else it would not be stuck
	}
}
