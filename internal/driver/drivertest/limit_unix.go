//go:build linux || darwin

package drivertest

import "golang.org/x/sys/unix"

// limitDescriptors makes it impossible to get a descriptor of the number n or
// above, until undo is called.
func limitDescriptors(n int) (undo func() error, err error) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		return nil, err
	}
	now := before
	now.Cur = uint64(n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return nil, err
	}
	return func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &before) }, nil
}
