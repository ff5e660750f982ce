//go:build unix

package asyncio

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lastSignal is the highest number that package os/signal knows on any system.
const lastSignal = 64

func catchable(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	switch {
	case !ok || s <= 0 || s > lastSignal:
		return fmt.Errorf("there is no such signal: %w", errors.ErrUnsupported)
	case s == syscall.SIGKILL || s == syscall.SIGSTOP:
		return ErrNotCatchable
	}
	return nil
}
