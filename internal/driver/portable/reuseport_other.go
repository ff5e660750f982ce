//go:build !unix || solaris || illumos

package portable

import (
	"errors"
	"fmt"
	"syscall"
)

func setReusePort(syscall.RawConn) error {
	return fmt.Errorf("several listeners on one port: %w", errors.ErrUnsupported)
}
