//go:build unix && !solaris && !illumos

package portable

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setReusePort lets several listeners have one port.
func setReusePort(c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
