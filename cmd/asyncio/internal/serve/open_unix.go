//go:build unix

package serve

import "syscall"

// openFlags keep the opening of a named pipe from waiting.
const openFlags = syscall.O_NONBLOCK
