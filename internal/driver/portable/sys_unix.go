//go:build unix

package portable

import (
	"net"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// canWait says that one can wait for something to read without a buffer.
const canWait = true

// readable reports whether a read of fd would not block. Go's poller reports edges.
// One that an earlier read has used up does not come again, so the first look
// must be our own; later ones need none.
func readable(fd uintptr, first bool) bool {
	if !first {
		return true
	}
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p[:], 0)
		if err != unix.EINTR {
			return n != 0 || err != nil // Read will say what is wrong
		}
	}
}

// discard reads away what there is. The goroutine that reads may take a part.
func discard(fd uintptr, buf []byte) {
	for n := 0; n < driver.DiscardLimit; n += len(buf) {
		if n, err := unix.Read(int(fd), buf); n <= 0 && err != unix.EINTR {
			return
		}
	}
}

// writeOnly reports whether fd was opened for writing only.
func writeOnly(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// readerGone reports whether nobody reads from the pipe of which fd is the writing
// end.
func readerGone(fd uintptr) bool {
	p := [1]unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p[:], 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
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
