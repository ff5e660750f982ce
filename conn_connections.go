package asyncio

// connections is what a loop keeps for its connections.
type connections struct {
	unserved socketList // those that no server serves
	readInto []byte     // what connections are read into for their protocols
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
