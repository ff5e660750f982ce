//go:build !linux

package asyncfile

import "context"

// A memory is the part of a file that the system has in memory, of which other systems
// than Linux do not tell.
type memory struct{}

func (*memory) of(diskFile) {}

func (*File) readMemory(context.Context, []byte, int64) (n int, done bool, err error) {
	return 0, false, nil
}
