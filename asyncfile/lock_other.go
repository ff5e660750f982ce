//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package asyncfile

import "errors"

func lockFd(uintptr, bool) (bool, error) { return false, errors.ErrUnsupported }

func unlockFd(uintptr) error { return errors.ErrUnsupported }
