package spawn

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// ReaderGone reports false: the system does not tell before a write.
func ReaderGone(syscall.RawConn) bool { return false }

// BrokenPipe reports whether err says that nobody reads from a pipe any more.
func BrokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
