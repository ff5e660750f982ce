//go:build !linux

package asyncio

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

func (s *started) openTerminal(int, int) (*os.File, error) {
	return nil, fmt.Errorf("WithTerminal on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func setTerminalSize(syscall.RawConn, int, int) error {
	return fmt.Errorf("on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
