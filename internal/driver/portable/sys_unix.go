//go:build unix

package portable

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// waitReadable waits until a read would not block, or the connection is
// closed.
func waitReadable(raw syscall.RawConn) {
	// Go's poller reports edges: an edge that an earlier read has used up does
	// not come again, so the first look must be our own.
	_ = raw.Read(func(fd uintptr) bool {
		for {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(p, 0)
			if err != unix.EINTR {
				return n != 0 || err != nil
			}
		}
	})
}

// setBacklog sets the backlog of a socket that listens already: listening
// again does that and no more.
func setBacklog(ln net.Listener, n int) error {
	raw, err := rawConn(ln)
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), n) }); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("listen", err)
}

func systemError(err error) error { return err }
