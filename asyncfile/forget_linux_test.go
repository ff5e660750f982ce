package asyncfile_test

import (
	"os"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// forget has the system forget what it has in memory of a file.
func forget(t *rapid.T, f *os.File) {
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}
