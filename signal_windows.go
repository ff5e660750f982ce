package asyncio

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// catchable knows what Windows sends: ^C and ^Break, and the end of a console
// or session as SIGTERM.
func catchable(sig os.Signal) error {
	switch sig {
	case os.Interrupt, syscall.SIGTERM:
		return nil
	case os.Kill:
		return ErrNotCatchable
	}
	return fmt.Errorf("there is no such signal: %w", errors.ErrUnsupported)
}
