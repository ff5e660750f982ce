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

// Watch implements [driver.Watcher]. These are reported as long as they last
// (level triggered): their handlers may take what there is bit by bit.
func (d *Driver) Watch(fd uintptr, what driver.Event, h driver.Handler) error {
	if fd > math.MaxInt32 {
		return os.NewSyscallError("epoll_ctl", unix.EBADF)
	}
	n := int(fd)
	watched := n < len(d.slots) && d.slots[n].handler != nil
	if watched && (!d.slots[n].foreign || d.slots[n].handler != h) {
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
	switch {
	case events == 0:
		d.unwatch(n)
		return nil
	case !watched:
		return d.add(n, h, events)
	}
	err := d.control(unix.EPOLL_CTL_MOD, n, h, events)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	// It was closed meanwhile, and another has its number.
	d.unwatch(n)
	return d.add(n, h, events)
}

// add begins to watch. The slots must not grow for a number that no descriptor
// has.
func (d *Driver) add(fd int, h driver.Handler, events uint32) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	d.slot(fd)
	if err := d.control(unix.EPOLL_CTL_ADD, fd, h, events); err != nil {
		return err
	}
	d.slots[fd].foreign = true
	return nil
}
