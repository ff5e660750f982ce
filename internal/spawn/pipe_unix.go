//go:build unix

package spawn

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// ReaderGone reports whether nobody is left who could read from the pipe of which
// pipe is the writing end.
func ReaderGone(pipe syscall.RawConn) bool {
	gone := false
	_ = pipe.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return gone
}

// BrokenPipe reports whether err says that nobody reads from a pipe any more.
func BrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
