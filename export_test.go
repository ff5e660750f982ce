package asyncio

import (
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Deal is for tests: on Linux nothing else uses it.
func Deal(ln net.Listener, n int) []net.Listener { return deal(ln, n) }

// NewStreamOn makes a stream on a connection that is no descriptor.
func NewStreamOn(l *Loop, conn driver.Conn) (*Stream, error) {
	c := newConnection(l, 0)
	return &c.stream, c.attach(conn)
}

// RunWorkerRequest gives a worker process's reply to a request, and what the
// parent makes of that.
func RunWorkerRequest(p []byte) ([]byte, error) { return decodeReply("", runRequest(p, 1000)) }
