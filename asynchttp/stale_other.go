//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package asynchttp

import "syscall"

// peeked cannot look here; a request that meets the end of a connection is
// sent again.
func peeked(syscall.RawConn) (ended, data bool) { return false, false }
