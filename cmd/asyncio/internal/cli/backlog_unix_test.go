//go:build unix

package cli_test

import (
	"net"

	"golang.org/x/sys/unix"
)

// shrinkBacklog lets only one connection wait to be accepted.
func shrinkBacklog(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), 0) }); err != nil {
		return err
	}
	return failed
}
