//go:build !linux && !darwin

package asyncio

import "errors"

func credentialsOf(uintptr) (*Credentials, error) { return nil, errors.ErrUnsupported }
