package asyncio

// taskList is all tasks of a loop that are not done, the oldest first.
type taskList struct {
	head, tail *task
	n          int
	made       uint64 // all there ever were
}

func (s *taskList) add(t *task) {
	s.n++
	t.prev = s.tail
	if s.tail == nil {
		s.head = t
	} else {
		s.tail.next = t
	}
	s.tail = t
}

func (s *taskList) remove(t *task) {
	s.n--
	if t.prev == nil {
		s.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		s.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}
