//go:build linux

package epoll

import (
	"net"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

var _ driver.FileSender = (*conn)(nil)

// SendFile implements [driver.FileSender].
func (c *conn) SendFile(f *os.File, offset int64, n int) (sent int, err error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Control(func(fd uintptr) {
		for {
			// Not a raw call: it may wait for a disk.
			sent, err = unix.Sendfile(int(c.fd), int(fd), &offset, n)
			if err != unix.EINTR {
				return
			}
		}
	})
	if cerr != nil { // which is not the error that closed files have elsewhere
		return 0, &os.PathError{Op: "sendfile", Path: f.Name(), Err: os.ErrClosed}
	}
	return max(sent, 0), failure("sendfile", err)
}
