package portable

import (
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/windows"
)

// setPacketOptions sets what spec says; net allows broadcasts without being
// asked.
func setPacketOptions(c syscall.RawConn, spec driver.PacketSpec) error {
	if spec.ReusePort {
		return setReusePort(c)
	}
	broadcast := 0
	if spec.Broadcast {
		broadcast = 1
	}
	if err := setOption(c, windows.SO_BROADCAST, broadcast); err != nil {
		return err
	}
	if spec.ReuseAddr {
		return setOption(c, windows.SO_REUSEADDR, 1)
	}
	return nil
}

func setOption(c syscall.RawConn, name, value int) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, name, value)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
