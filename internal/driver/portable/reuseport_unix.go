//go:build unix && !solaris && !illumos

package portable

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setReusePort lets several sockets have one port.
func setReusePort(c syscall.RawConn) error { return setOption(c, unix.SO_REUSEPORT, 1) }
