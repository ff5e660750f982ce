//go:build unix

package response

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// dupFile returns the file behind conn, as another *os.File that is to be
// closed; nil where that cannot be.
func dupFile(conn syscall.Conn, name string) *os.File {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	var f *os.File
	err = raw.Control(func(fd uintptr) {
		if dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			f = os.NewFile(uintptr(dup), name)
		}
	})
	if err != nil {
		return nil
	}
	return f
}
