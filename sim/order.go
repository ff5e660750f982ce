package sim

import (
	"cmp"
	"slices"
)

// An order says in which order hosts run what is ready.
type order interface {
	// arrange returns what hook.SteppedLoop.Arrange takes, or nil for the order that
	// there is.
	arrange(h *Host) func(tasks []uint64) (order []int, run int)
}

// inOrder is asyncio's own order.
type inOrder struct{}

func (inOrder) arrange(*Host) func([]uint64) ([]int, int) { return nil }

// identity appends 0 to n-1, and to slots those of tasks.
func identity(tasks []uint64, all, slots []int) (_, _ []int) {
	all, slots = all[:0], slots[:0]
	for i, id := range tasks {
		all = append(all, i)
		if id != 0 {
			slots = append(slots, i)
		}
	}
	return all, slots
}

// randomOrder puts tasks in any order into the places that tasks have.
type randomOrder struct{}

func (randomOrder) arrange(h *Host) func([]uint64) ([]int, int) {
	var all, slots []int
	return func(tasks []uint64) ([]int, int) {
		all, slots = identity(tasks, all, slots)
		for i := range slots {
			j := i + h.w.tape.pick(schedStream, min(len(slots)-i, maxChoice))
			all[slots[i]], all[slots[j]] = all[slots[j]], all[slots[i]]
		}
		return all, len(all)
	}
}

// pct is the scheduler of "A Randomized Scheduler with Probabilistic Guarantees of
// Finding Bugs" (Burckhardt and others, 2010).
type pct struct {
	changes int
	wide    bool
}

// pctSteps is among how many steps of a host the moments of change are chosen.
const pctSteps = 256

func (p pct) arrange(h *Host) func([]uint64) ([]int, int) {
	var all, slots, tasksIn []int
	priority := make(map[uint64]int)
	changeAt := make(map[int]bool)
	for range p.changes {
		changeAt[h.w.tape.pick(schedStream, pctSteps)] = true
	}
	steps, lowest := 0, 0
	return func(tasks []uint64) ([]int, int) {
		all, slots = identity(tasks, all, slots)
		if len(slots) == 0 {
			return all, len(all)
		}
		tasksIn = append(tasksIn[:0], slots...)
		for _, i := range tasksIn {
			if _, known := priority[tasks[i]]; !known {
				priority[tasks[i]] = 1 + h.w.tape.pick(schedStream, 256)
			}
		}
		higher := func(i, j int) int { return cmp.Compare(priority[tasks[j]], priority[tasks[i]]) }
		slices.SortStableFunc(tasksIn, higher)
		run := len(tasksIn)
		if p.wide {
			run = 1
		}
		for i := range run {
			if changeAt[steps] {
				lowest--
				priority[tasks[tasksIn[i]]] = lowest
			}
			steps++
		}
		if !p.wide {
			for i, slot := range slots {
				all[slot] = tasksIn[i]
			}
			return all, len(all)
		}
		first := tasksIn[0]
		callbacks := 0
		slices.SortStableFunc(all, func(i, j int) int { return cmp.Compare(rank(tasks, first, i), rank(tasks, first, j)) })
		for _, id := range tasks {
			if id == 0 {
				callbacks++
			}
		}
		return all, callbacks + 1
	}
}

// rank puts callbacks first, then one task, then the others.
func rank(tasks []uint64, first, i int) int {
	switch {
	case tasks[i] == 0:
		return 0
	case i == first:
		return 1
	}
	return 2
}
