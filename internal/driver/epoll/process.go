//go:build linux

package epoll

import (
	"io"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

var _ driver.ProcessWatcher = (*Driver)(nil)

// WatchProcess implements [driver.ProcessWatcher]. It watches the pidfd that
// p has: it is p's, and open until p.Wait, so no copy of it is needed.
func (d *Driver) WatchProcess(p *os.Process, h driver.Handler) (io.Closer, error) {
	w := &processWatch{d: d, fd: -1}
	var err error
	herr := p.WithHandle(func(pidfd uintptr) {
		w.fd = int(pidfd)
		err = d.watch(w.fd, h, unix.EPOLLIN)
	})
	if herr != nil {
		return nil, herr
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

type processWatch struct {
	d  *Driver
	fd int // -1: closed
}

// Close ends the watch. The descriptor is the process's to close.
func (w *processWatch) Close() error {
	if w.fd >= 0 {
		w.d.unwatch(w.fd)
		w.fd = -1
	}
	return nil
}
