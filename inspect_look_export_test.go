package asyncio

import "time"

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
