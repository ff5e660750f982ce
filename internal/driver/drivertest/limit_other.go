//go:build !linux && !darwin

package drivertest

import "errors"

func limitDescriptors(int) (undo func() error, err error) {
	return nil, errors.ErrUnsupported
}
