//go:build !unix && !windows

package portable

import (
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

func setPacketOptions(c syscall.RawConn, spec driver.PacketSpec) error {
	if spec.ReusePort {
		return setReusePort(c)
	}
	return nil
}
