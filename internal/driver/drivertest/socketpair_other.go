//go:build !unix

package drivertest

import "errors"

func socketPair() ([2]uintptr, error) { return [2]uintptr{}, errors.ErrUnsupported }
