package asyncio

// A socketList is sockets that have something in common, the oldest first. Each
// is in one: those that a server serves in the server's, all others in that of
// their loop.
type socketList struct {
	head, tail *socket
	n          int
	owner      listOwner // or nil
}

// A served is the owner of a socket that a server serves.
type served interface {
	socketOwner
	closeClient()
	cancelClient(why error) // also what serves it
}

// A listOwner is whose sockets a list has: a server.
type listOwner interface {
	left() // a socket has left the list
}

// join puts the socket into l, and takes it from where it was.
func (s *socket) join(l *socketList) {
	if s.among != nil {
		s.among.remove(s)
	}
	s.among = l
	l.n++
	s.prev = l.tail
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

// leave takes the socket from the list that it is in, if there is one; for a
// server's, it is served no more then.
func (s *socket) leave() {
	l := s.among
	if l == nil {
		return
	}
	l.remove(s)
	if l.owner != nil {
		l.owner.left()
	}
}

func (l *socketList) remove(s *socket) {
	l.n--
	if s.prev == nil {
		l.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.among, s.prev, s.next = nil, nil, nil
}

// each calls f for each socket; f may take any of them away.
func (l *socketList) each(f func(*socket)) {
	all := make([]*socket, 0, l.n)
	for s := l.head; s != nil; s = s.next {
		all = append(all, s)
	}
	for _, s := range all {
		f(s)
	}
}

// abort closes all at once.
func (l *socketList) abort(reason error) {
	l.each(func(s *socket) { s.abort(reason) })
}
