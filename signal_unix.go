//go:build unix

package asyncio

import (
	"os"
	"syscall"
)

// lastSignal is the highest number that package os/signal knows on any system.
const lastSignal = 64

// knownSignal reports whether the system has the signal, and whether a program
// can handle it.
func knownSignal(sig os.Signal) (known, catchable bool) {
	s, ok := sig.(syscall.Signal)
	return ok && s > 0 && s <= lastSignal, s != syscall.SIGKILL && s != syscall.SIGSTOP
}
