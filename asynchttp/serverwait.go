package asynchttp

import (
	"bufio"
	"cmp"
)

// mayWait reports whether the connection is to be read until a request comes, and
// bounds the time for that.
func (c *serverConn) mayWait() bool {
	if c.served || c.cause != nil {
		return false
	}
	c.idle = true
	c.limitWait()
	c.reading = true
	return true
}

// came serves what a Read has returned, and all that comes without a wait.
// Connections that wait share the buffer for it, since nothing suspends between the
// Read and here; the reader of requests belongs to one that does not.
func (c *serverConn) came(n int, err error) {
	c.reading = false
	if err != nil {
		c.served = true
		return
	}
	c.ahead = c.srv.ahead[:n]
	c.buffer()
	_, _ = c.br.Peek(1) // takes what is ahead
	if c.first && c.preface() {
		c.served = !c.beginHTTP2()
		return
	}
	for c.serveOne() {
		if c.br.Buffered() == 0 {
			c.unbuffer()
			return
		}
	}
	c.served = true
}

// buffer gives the connection a reader.
func (c *serverConn) buffer() {
	if free := c.srv.readers; len(free) > 0 {
		c.br = free[len(free)-1]
		c.srv.readers = free[:len(free)-1]
		c.br.Reset(c)
	} else {
		c.br = bufio.NewReaderSize(c, readAhead)
	}
}

// unbuffer gives it back: nothing of it is in use between two requests.
func (c *serverConn) unbuffer() {
	const most = 64
	if len(c.srv.readers) < most {
		c.br.Reset(nil)
		c.srv.readers = append(c.srv.readers, c.br)
	}
	c.br = nil
}

// readAhead is how much is read of a client at once.
const readAhead = 4096

// limitWait bounds the time until a request begins.
func (c *serverConn) limitWait() {
	s := c.srv
	switch {
	case s.ending:
		c.reads.Set(drainTime) // something has come, and the rest must, too
	case c.first:
		c.reads.Set(cmp.Or(s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout))
	default:
		c.reads.Set(cmp.Or(s.IdleTimeout, s.ReadTimeout))
	}
}

// awaitRequest waits for the first byte of a request.
func (c *serverConn) awaitRequest() bool {
	s := c.srv
	c.idle = true
	if c.br.Buffered() == 0 {
		c.limitWait()
	}
	c.first = false
	for {
		p, err := c.br.Peek(1)
		if err != nil {
			return false
		}
		// Old clients send a line break after the body of a POST.
		if p[0] != '\r' && p[0] != '\n' {
			break
		}
		_, _ = c.br.Discard(1)
	}
	c.idle = false
	limit := cmp.Or(s.ReadHeaderTimeout, s.ReadTimeout)
	if s.ending && limit <= 0 {
		limit = drainTime
	}
	c.reads.Set(limit)
	return true
}
