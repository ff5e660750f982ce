package driver

import (
	"io"
	"os"
)

// A ProcessWatcher is a driver that learns of the end of a child process
// without a goroutine that waits for it. What a driver cannot watch, a
// goroutine waits for.
type ProcessWatcher interface {
	// WatchProcess tells h, by a Readable event, that p has ended: p.Wait does
	// not block then. The watch must be closed before p.Wait is called. It
	// returns an error where the system has no handles of processes.
	WatchProcess(p *os.Process, h Handler) (io.Closer, error)
}
