//go:build unix && !linux && !freebsd

package spawn

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) error {
	return fmt.Errorf("WithPdeathsig on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func diesWithThread(*syscall.SysProcAttr) bool { return false }
