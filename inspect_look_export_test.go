package asyncio

import (
	"testing"
	"time"
)

// TaskList is a taskList of tasks that do nothing, for tests.
type TaskList struct {
	list taskList
	all  map[int]*task
	made int
}

func NewTaskList() *TaskList { return &TaskList{all: make(map[int]*task)} }

func (s *TaskList) Add() int {
	s.made++
	t := &task{id: uint64(s.made)}
	s.list.add(t)
	s.all[s.made] = t
	return s.made
}

func (s *TaskList) Remove(id int) { s.list.remove(s.all[id]) }

func (s *TaskList) Cursors() (n int) {
	for c := s.list.cursors; c != nil; c = c.other {
		n++
	}
	return n
}

type TaskCursor struct {
	taskCursor
	list *TaskList
}

func (s *TaskList) Cursor(after int) *TaskCursor {
	c := &TaskCursor{list: s}
	c.begin(&s.list, uint64(after))
	return c
}

// Take returns the number of the next task, or 0.
func (c *TaskCursor) Take() int {
	if t := c.take(); t != nil {
		return int(t.id)
	}
	return 0
}

func (c *TaskCursor) End() { c.end(&c.list.list) }

// Since returns what is left of a time that a task has noted.
func Since(at time.Duration) time.Duration {
	var t task
	t.setSince(at)
	return at - since(t.sinceLow, t.sinceHigh, at)
}

var FullParent = fullParent

// TaskNumber returns the number that a look shows of a task.
func TaskNumber(t AnyTask) uint64 { return t.(taskShell).half().id }

// FindCycles is what a look finds its Cycles with.
func FindCycles(tasks []TaskLook) [][]uint64 {
	var list []waiting
	for _, t := range tasks {
		if w := t.Waits; w != nil && len(w.Tasks) > 0 {
			list = append(list, waiting{t.ID, w.Tasks, w.Any})
		}
	}
	return findCycles(list)
}

// ExplainSlow returns, for each of the steps, the task that was caught at it. A step
// was caught at each of the times, in the task of that number, the first being 1.
func ExplainSlow(caught []time.Duration, steps []StepLook) (tasks []uint64) {
	var p presence
	for i, at := range caught {
		p.caughtAt(at, uint64(i+1), &culprit{})
	}
	p.caughtAt(0, 0, nil)
	p.explainSlow(steps)
	for _, s := range steps {
		tasks = append(tasks, s.Task)
	}
	return tasks
}

// DescribeLock returns what a look says now of a task that waits for l.
func DescribeLock(l *Lock) (w WaitLook, object any) {
	object = l.describeWait(&w)
	return w, object
}

// AllocationsOfALook returns how often the loop allocates when it looks at a task that
// sleeps, with its stack. It is for the loop's goroutine.
func AllocationsOfALook(t AnyTask) float64 {
	h := t.(taskShell).half()
	r := lookRequest{loop: h.loop, look: new(LoopLook), options: LookOptions{Stacks: true}, piece: lookPieces.New().(*lookPiece)}
	return testing.AllocsPerRun(100, func() {
		r.task(h)
		if len(r.piece.tasks[0].pcs) == 0 {
			panic("there is no stack")
		}
		r.piece.empty()
	})
}

// PiecesOfALook looks at all tasks as the loop does when it is asked, and calls around with
// what fills a piece. It is for the loop's goroutine.
func PiecesOfALook(l *Loop, o LookOptions, around func(fill func())) {
	o.Tasks = l.tasks.n
	r := lookRequest{loop: l, options: o, answer: make(chan struct{}, 1), piece: lookPieces.New().(*lookPiece)}
	for !r.over {
		r.move.Store(lookAsked)
		around(r.run)
		<-r.answer
		r.piece.empty()
	}
}

// LastOf is a lastOf of numbers.
type LastOf struct{ list lastOf[int] }

func NewLastOf(size int) *LastOf { return &LastOf{lastOf[int]{all: make([]int, size)}} }

func (s *LastOf) Add(x int)     { s.list.add(x) }
func (s *LastOf) Keep(size int) { s.list.keep(size) }

func (s *LastOf) Since(n uint64) (first uint64, list []int) { return s.list.since(n) }

// LeftToLookAt returns how many of so many tasks are still to be told of from outside,
// when the loop has answered with pieces of those lengths.
func LeftToLookAt(l *Loop, tasks int, pieces ...int) int {
	a := newAsker(l, l.onRun.(*presence), LookOptions{Tasks: tasks})
	for _, n := range pieces {
		a.take(&lookPiece{tasks: make([]seenTask, n)})
	}
	return newPeeker(a, 0, 0).left
}

// Counts returns what a look shows of durations that were counted.
func Counts(all ...time.Duration) []uint64 {
	var h histogram
	for _, d := range all {
		h.add(d, 1)
	}
	return h.look().Counts
}

// passedOn is a callback of a future, and stands for a future that a task awaits.
type passedOn struct{ future }

func (p *passedOn) run()               {}
func (p *passedOn) dependent() *future { return &p.future }

// FoundAwaiting returns how many tasks a look finds that await a future, each by way of
// another, when there are so many.
func FoundAwaiting(tasks int) int {
	var f future
	for range tasks {
		p, t := new(passedOn), new(Task[struct{}])
		t.half().canceller = t
		p.add(t.half())
		f.add(p)
	}
	return len(awaitedBy(&f, onlyIndirect))
}
