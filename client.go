package asyncio

// A client is a connection's place among those that its server serves. The zero
// value is no server's.
type client struct {
	server     *Server
	conn       clientConn
	prev, next *client
}

// A clientConn is a connection that a server serves.
type clientConn interface {
	closeClient()
	abortClient()
	cancelClient(why string) // also what serves it
}

// end takes the connection from its server, when it is served no more.
func (c *client) end() {
	s := c.server
	if s == nil {
		return
	}
	s.clients.remove(c)
	c.server = nil
	s.settle()
}

// clientList is the connections of a server, the oldest first.
type clientList struct {
	head, tail *client
	n          int
}

func (l *clientList) add(c *client, s *Server, conn clientConn) {
	l.n++
	c.server, c.conn = s, conn
	c.prev = l.tail
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
}

func (l *clientList) remove(c *client) {
	l.n--
	if c.prev == nil {
		l.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// each calls f for each connection; f may end any of them.
func (l *clientList) each(f func(clientConn)) {
	all := make([]clientConn, 0, l.n)
	for c := l.head; c != nil; c = c.next {
		all = append(all, c.conn)
	}
	for _, c := range all {
		f(c)
	}
}
