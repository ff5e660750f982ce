//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package asyncfile

import "golang.org/x/sys/unix"

func lockFd(fd uintptr, exclusive bool) (bool, error) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := flock(fd, how|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

func unlockFd(fd uintptr) error { return flock(fd, unix.LOCK_UN) }

func flock(fd uintptr, how int) error {
	for {
		if err := unix.Flock(int(fd), how); err != unix.EINTR {
			return err
		}
	}
}
