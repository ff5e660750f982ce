//go:build unix && !linux && !freebsd

package asyncio

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) error {
	return fmt.Errorf("WithPdeathsig on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func diesWithParent(*syscall.SysProcAttr) bool { return false }
