//go:build !linux

package asyncfile_test

import (
	"os"

	"pgregory.net/rapid"
)

// forget does nothing: other systems cannot be asked to.
func forget(*rapid.T, *os.File) {}
