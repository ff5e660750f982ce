//go:build unix

package drivertest

import "golang.org/x/sys/unix"

// socketPair returns two connected descriptors that do not block.
func socketPair() (fds [2]uintptr, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return fds, err
	}
	for i, fd := range pair {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return fds, err
		}
		fds[i] = uintptr(fd)
	}
	return fds, nil
}
