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
		for r := range f.callbacks {
			if d, ok := r.(waitDescriber); ok {
				d.describeWait(w)
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

// findCycles returns the tasks that wait for each other in circles.
//
// A task that waits only for tasks of which none will ever go on will not go on
// either. What is left, when all are taken away that may go on, has a circle in it.
func findCycles(tasks []TaskLook) [][]uint64 {
	at := make(map[uint64]*TaskLook)
	for i := range tasks {
		if w := tasks[i].Waits; w != nil && len(w.Tasks) > 0 {
			at[tasks[i].ID] = &tasks[i]
		}
	}
	for removed := true; removed; {
		removed = false
		for id, t := range at {
			if mayGoOn(t.Waits, at) {
				delete(at, id)
				removed = true
			}
		}
	}
	var cycles [][]uint64
	done := make(map[uint64]bool)
	for i := range tasks { // in their order
		if t := at[tasks[i].ID]; t != nil && !done[t.ID] {
			if c := followCycle(t, at, done); c != nil {
				cycles = append(cycles, c)
			}
		}
	}
	return cycles
}

// mayGoOn reports whether a wait may end, where the tasks in stuck will not go on. A
// task that is in no list has ended, or waits for nothing that is known: who needs
// one that has ended, for it holds a lock, may be helped by another.
func mayGoOn(w *WaitLook, stuck map[uint64]*TaskLook) bool {
	for _, id := range w.Tasks {
		_, isStuck := stuck[id]
		if isStuck && !w.Any {
			return false
		}
		if !isStuck && w.Any {
			return true
		}
	}
	return !w.Any
}

// followCycle goes from a task to one that it waits for, and on, until it comes to one
// again. It returns that circle, if nobody has found it before.
func followCycle(t *TaskLook, stuck map[uint64]*TaskLook, done map[uint64]bool) []uint64 {
	place := make(map[uint64]int)
	var path []uint64
	for {
		if i, ok := place[t.ID]; ok {
			for _, id := range path {
				done[id] = true
			}
			return path[i:]
		}
		if done[t.ID] {
			for _, id := range path {
				done[id] = true
			}
			return nil
		}
		place[t.ID] = len(path)
		path = append(path, t.ID)
		var next *TaskLook
		for _, id := range t.Waits.Tasks {
			if next = stuck[id]; next != nil {
				break
			}
		}
		t = next // there is one: else it would not be stuck
	}
}
