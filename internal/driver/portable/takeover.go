package portable

import (
	"errors"
	"io"
	"net"
	"time"
)

// usedUp returns [net.ErrClosed] when what is to be taken over was closed: else
// nobody would learn of it before the first read. Deadlines that the owner before
// has left are taken away, as no call of the driver's knows of them.
func usedUp(c interface{ SetDeadline(time.Time) error }) error {
	err := c.SetDeadline(time.Time{})
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return net.ErrClosed
	}
	return nil // one that has no deadlines may say so
}
