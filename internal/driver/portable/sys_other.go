//go:build !unix && !windows

package portable

import "net"

// canWait says that one cannot wait for something to read without a buffer.
const canWait = false

func readable(uintptr, bool) bool { return true }

func discard(uintptr, []byte) {}

// writeOnly reports false: nobody tells before a write that a pipe has no reader.
func writeOnly(uintptr) bool { return false }

func readerGone(uintptr) bool { return true }

func setBacklog(net.Listener, int) error { return nil }

func systemError(err error) error { return err }
