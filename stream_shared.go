package asyncio

import (
	"net"
	"sync"
)

// sharedConn is a net.Conn of a stream that any goroutine may read and write.
type sharedConn struct {
	*netConn
	reading sync.Mutex // of the goroutines that are not the loop's
}

var (
	_ net.Conn    = (*sharedConn)(nil)
	_ closeWriter = (*sharedConn)(nil)
)

// SharedConn returns a [net.Conn] of the stream that any goroutine may use, but
// for those of other loops. SharedConn itself is for the loop's goroutine.
//
// In a task of the loop it is as [Stream.Conn]. On any other goroutine a Read or
// Write has the loop do it, in a task, and blocks until that has ended: it costs
// some microseconds and a few allocations, and the loop must run. Whoever waits
// on the loop for such a goroutine, by a channel or a [sync.WaitGroup], stops the
// loop, and so the goroutine that it waits for, for ever: where [Stream.Conn]
// returns an error, this hangs. It is for libraries that start goroutines of
// their own and are used from there.
//
// Reads of several goroutines come one after another.
func (s *Stream) SharedConn() net.Conn { return &sharedConn{netConn: s.view()} }

func (c *sharedConn) Read(p []byte) (int, error) {
	if onLoop() != nil {
		c.reading.Lock()
		defer c.reading.Unlock()
	}
	return c.onItsLoop("read", func() (int, error) { return c.netConn.Read(p) })
}

func (c *sharedConn) Write(p []byte) (int, error) {
	return c.onItsLoop("write", func() (int, error) { return c.netConn.Write(p) })
}

func (c *sharedConn) CloseWrite() error {
	_, err := c.onItsLoop("close", func() (int, error) { return 0, c.netConn.CloseWrite() })
	return err
}
