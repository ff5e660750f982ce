//go:build !unix && !windows

package portable

import "net"

// canWait says that one cannot wait for something to read without a buffer.
const canWait = false

func readable(uintptr, bool) bool { return true }

func discard(uintptr, []byte) {}

func setBacklog(net.Listener, int) error { return nil }

func systemError(err error) error { return err }
