//go:build !linux

package spawn

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

func openTerminal(Size) (master, slave *os.File, err error) {
	return nil, nil, fmt.Errorf("WithTerminal on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func setTerminalSize(syscall.RawConn, Size) error {
	return fmt.Errorf("on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
