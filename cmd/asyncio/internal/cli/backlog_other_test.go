//go:build !unix

package cli_test

import (
	"errors"
	"net"
)

func shrinkBacklog(*net.TCPListener) error { return errors.ErrUnsupported }
