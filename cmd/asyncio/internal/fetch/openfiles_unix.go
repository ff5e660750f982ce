//go:build unix

package fetch

import "golang.org/x/sys/unix"

// openFiles returns how many files the program may have open at a time.
func openFiles() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return unlimited
	}
	return int(min(uint64(r.Cur), unlimited))
}
