package asyncio

// readBufferSize is the most that a DataReceived is given: CPython's max_size.
// After it others have their turn, and what is left in the kernel meanwhile is
// cold when it is read.
const readBufferSize = 256 << 10

// readBuffer gives the buffer that all connections of the loop are read into.
func (l *Loop) readBuffer() []byte {
	if l.readInto == nil {
		l.readInto = make([]byte, readBufferSize)
	}
	return l.readInto
}
