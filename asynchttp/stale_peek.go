//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package asynchttp

import "syscall"

// peeked looks at what a connection has received, without taking it: whether
// its end has come, or it has failed, and whether there is data.
func peeked(raw syscall.RawConn) (ended, data bool) {
	err := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EAGAIN || err == syscall.EINTR:
		case err != nil || n == 0:
			ended = true
		default:
			data = true
		}
	})
	return ended || err != nil, data
}
