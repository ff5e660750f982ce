//go:build !unix

package asyncfile

import (
	"io/fs"
	"os"
)

func readWhole(name string) ([]byte, error) { return os.ReadFile(name) }

func writeWhole(name string, data []byte, perm fs.FileMode) error {
	return os.WriteFile(name, data, perm)
}
