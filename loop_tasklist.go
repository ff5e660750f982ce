package asyncio

// taskList is all tasks of a loop that are not done, the oldest first.
type taskList struct {
	head, tail *task
	n          int
	made       uint64 // all there ever were
	cursors    *taskCursor
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
	for c := s.cursors; c != nil; c = c.other {
		if c.at == t {
			c.at = t.next
		}
	}
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

// A taskCursor is a place in a list of tasks that may change meanwhile.
type taskCursor struct {
	at    *task // the next
	other *taskCursor
}

// begin puts the cursor before the first task after the one of that number.
func (c *taskCursor) begin(s *taskList, after uint64) {
	c.at = s.head
	for c.at != nil && c.at.id <= after {
		c.at = c.at.next
	}
	c.other, s.cursors = s.cursors, c
}

// take returns the next task and goes past it, or nil at the end.
func (c *taskCursor) take() *task {
	t := c.at
	if t != nil {
		c.at = t.next
	}
	return t
}

func (c *taskCursor) end(s *taskList) {
	for p := &s.cursors; *p != nil; p = &(*p).other {
		if *p == c {
			*p = c.other
			return
		}
	}
}
