package asyncio

import (
	"os"
	"syscall"
)

// knownSignal reports whether the system has the signal, and whether a program
// can handle it. Windows sends ^C and ^Break, and the end of a console or session
// as SIGTERM.
func knownSignal(sig os.Signal) (known, catchable bool) {
	switch sig {
	case os.Interrupt, syscall.SIGTERM:
		return true, true
	}
	return sig == os.Kill, false
}
