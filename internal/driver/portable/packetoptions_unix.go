//go:build unix

package portable

import (
	"os"
	"runtime"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// setPacketOptions sets what spec says; net allows broadcasts without being
// asked.
func setPacketOptions(c syscall.RawConn, spec driver.PacketSpec) error {
	broadcast := 0
	if spec.Broadcast {
		broadcast = 1
	}
	if err := setOption(c, unix.SO_BROADCAST, broadcast); err != nil {
		return err
	}
	if spec.ReuseAddr {
		if err := setOption(c, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	// Only Linux shares an address of a group without it.
	if spec.ReusePort || spec.ReuseAddr && runtime.GOOS != "linux" {
		return setReusePort(c)
	}
	return nil
}

func setOption(c syscall.RawConn, name, value int) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, value)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
