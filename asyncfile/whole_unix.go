//go:build unix

package asyncfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

const (
	wholeLeast = 512     // what is read of a file that says that it is empty
	wholePiece = 1 << 30 // some systems refuse more
)

// readWhole is [os.ReadFile], for less: an os.File asks the system whether it can wait for
// the file, and has a cleanup, which takes longer than to read a small file.
func readWhole(name string) ([]byte, error) {
	fd, err := retried(func() (int, error) { return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		return io.ReadAll(f)
	}
	defer syscall.Close(fd)
	size := 0
	if n := int(st.Size); int64(n) == st.Size {
		size = n
	}
	for data := make([]byte, 0, max(size+1, wholeLeast)); ; data = slices.Grow(data, 1) {
		for len(data) < cap(data) {
			room := data[len(data):min(cap(data), len(data)+wholePiece)]
			n, err := retried(func() (int, error) { return syscall.Read(fd, room) })
			if err != nil {
				return data, &fs.PathError{Op: "read", Path: name, Err: err}
			}
			if n == 0 {
				return data, nil
			}
			data = data[:len(data)+n]
		}
	}
}

// writeWhole is [os.WriteFile], likewise.
func writeWhole(name string, data []byte, perm fs.FileMode) error {
	if perm&^fs.ModePerm != 0 {
		return os.WriteFile(name, data, perm)
	}
	const flags = syscall.O_WRONLY | syscall.O_CREAT | syscall.O_TRUNC | syscall.O_CLOEXEC
	fd, err := retried(func() (int, error) { return syscall.Open(name, flags, uint32(perm)) })
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	op := "write"
	for len(data) > 0 && err == nil {
		var n int
		n, err = retried(func() (int, error) { return syscall.Write(fd, data[:min(len(data), wholePiece)]) })
		if n == 0 && err == nil {
			err = io.ErrUnexpectedEOF // as package os has it
		}
		data = data[max(n, 0):]
	}
	if closing := syscall.Close(fd); err == nil {
		op, err = "close", closing
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// retried calls fn until no signal interrupts it.
func retried(fn func() (int, error)) (int, error) {
	for {
		if n, err := fn(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
