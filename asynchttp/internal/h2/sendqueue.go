package h2

// urgencies is how many there are. RFC 9218, 4.1: 0 is the most urgent, 3 is
// what a request has that says nothing.
const (
	urgencies      = 8
	defaultUrgency = 3
)

// fairShare is how often the least urgent are served: every so many frames.
const fairShare = 8

// A sendQueue is the streams that have DATA to send and an open window, waiting
// for their turn. A frame is a turn; after it a stream goes to the end of those
// of its urgency.
//
// Urgency is a hint: a client may not starve its own streams by it, so every
// eighth frame is one of the least urgent.
type sendQueue struct {
	lists *[urgencies]senderList // nil until somebody waits
	n     int
	turns uint8
}

type senderList struct{ head, tail *sender }

func (q *sendQueue) push(s *sender) {
	if q.lists == nil {
		q.lists = new([urgencies]senderList)
	}
	s.queued = true
	s.next = nil
	l := &q.lists[s.urgency]
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
	q.n++
}

func (q *sendQueue) pop() *sender {
	if q.n == 0 {
		return nil
	}
	q.turns = (q.turns + 1) % fairShare
	for i := range urgencies {
		if q.turns == 0 {
			i = urgencies - 1 - i
		}
		if s := q.lists[i].head; s != nil {
			q.lists[i].unlink(nil, s)
			q.n--
			s.queued = false
			return s
		}
	}
	return nil
}

// remove takes a stream out, wherever it is.
func (q *sendQueue) remove(s *sender) {
	if !s.queued {
		return
	}
	l := &q.lists[s.urgency]
	var before *sender
	for x := l.head; x != nil; before, x = x, x.next {
		if x == s {
			l.unlink(before, s)
			q.n--
			s.queued = false
			return
		}
	}
}

func (l *senderList) unlink(before, s *sender) {
	if before == nil {
		l.head = s.next
	} else {
		before.next = s.next
	}
	if l.tail == s {
		l.tail = before
	}
	s.next = nil
}

// rest lets go of what an idle connection has no use for.
func (q *sendQueue) rest() {
	if q.n == 0 {
		q.lists = nil
	}
}
