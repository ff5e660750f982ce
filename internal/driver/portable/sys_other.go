//go:build !unix && !windows

package portable

import (
	"net"
	"syscall"
)

// waitReadable does not wait: the read will.
func waitReadable(syscall.RawConn) error { return nil }

func setBacklog(net.Listener, int) error { return nil }

func systemError(err error) error { return err }
