//go:build unix

package sim

import (
	"os"
	"syscall"
)

// ignored reports whether a signal does nothing by default.
func ignored(sig os.Signal) bool {
	switch sig {
	case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCONT:
		return true
	}
	return false
}
