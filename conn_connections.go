package asyncio

// connections is what a loop keeps for its connections.
type connections struct {
	unserved socketList   // those that no server serves
	readInto []byte       // what connections are read into for their protocols
	records  *recordBatch // for the TLS records of one write; nil: in use, or not made yet
	buffers  [][]byte     // what readers have emptied, for the next who needs one
}

func connectionsOf(l *Loop) *connections { return partOf[connections](l, connectionsPart) }

// close closes the connections that no server serves.
func (c *connections) close(*Loop) { c.unserved.abort(ErrLoopClosed) }

// readBufferSize is the most that a DataReceived is given: CPython's max_size.
// After it others have their turn, and what is left in the kernel meanwhile is
// cold when it is read.
const readBufferSize = 256 << 10

// readBuffer returns the buffer that all connections of the loop are read into.
func (l *Loop) readBuffer() []byte {
	c := connectionsOf(l)
	if c.readInto == nil {
		c.readInto = make([]byte, readBufferSize)
	}
	return c.readInto
}

const (
	readerBuffer  = 4 << 10 // what a reader holds at first
	readerBuffers = 64      // that are kept
)

// borrow returns an empty buffer.
func (c *connections) borrow() []byte {
	n := len(c.buffers)
	if n == 0 {
		return make([]byte, 0, readerBuffer)
	}
	b := c.buffers[n-1]
	c.buffers[n-1] = nil
	c.buffers = c.buffers[:n-1]
	return b
}

// giveBack takes back what nobody looks at any more.
func (c *connections) giveBack(b []byte) {
	if cap(b) == readerBuffer && len(c.buffers) < readerBuffers {
		c.buffers = append(c.buffers, b[:0])
	}
}
