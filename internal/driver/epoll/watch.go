//go:build linux

package epoll

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

var _ driver.Watcher = (*Driver)(nil)

// Owns implements [driver.Watcher].
func (d *Driver) Owns(fd uintptr) bool {
	if fd > math.MaxInt32 {
		return false
	}
	s := d.find(int(fd))
	return s != nil && s.handler != nil && !s.foreign
}

// Watch implements [driver.Watcher]. These are reported as long as they last
// (level triggered): their handlers may take what there is bit by bit.
func (d *Driver) Watch(fd uintptr, what driver.Event, h driver.Handler) error {
	if fd > math.MaxInt32 {
		return os.NewSyscallError("epoll_ctl", unix.EBADF)
	}
	n := int(fd)
	s := d.find(n)
	watched := s != nil && s.handler != nil
	if watched && (!s.foreign || s.handler != h) {
		if what == 0 {
			return nil // the number has gone to somebody else
		}
		return fmt.Errorf("descriptor %d: %w", n, driver.ErrInUse)
	}
	var events uint32
	if what&driver.Readable != 0 {
		events |= unix.EPOLLIN
	}
	if what&driver.Writable != 0 {
		events |= unix.EPOLLOUT
	}
	foreign := slot{foreign: true, handler: h}
	switch {
	case events == 0:
		d.unwatch(n)
		return nil
	case !watched:
		return d.add(n, foreign, events)
	}
	err := d.rewatch(n, events)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	// It was closed meanwhile, and another has its number.
	d.unwatch(n)
	return d.add(n, foreign, events)
}
