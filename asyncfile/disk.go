package asyncfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// A disk is all that this package asks of a system's files. The functions block, and are
// called in jobs.
type disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error)
	CreateTemp(dir, pattern string) (diskFile, error)
	MkdirTemp(dir, pattern string) (string, error)

	ReadFile(name string) ([]byte, error)
	WriteFile(name string, data []byte, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	Lstat(name string) (fs.FileInfo, error)
	Remove(name string) error
	RemoveAll(path string) error
	Rename(oldPath, newPath string) error
	MkdirAll(path string, perm fs.FileMode) error

	// SyncDir has what was created and renamed in a directory outlast a crash.
	SyncDir(dir string) error
	DirFS(dir string) fs.FS
}

// A diskFile is an open file of a disk; an [os.File] is one. Its methods are those of
// os.File.
type diskFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	fs.ReadDirFile
	Name() string
	Sync() error
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
}

// diskOf returns the disk for the calls of a task.
func diskOf(context.Context) disk { return osDisk{} }

// osDisk is the disk of the system that the program runs on.
type osDisk struct{}

func (osDisk) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	return opened(os.OpenFile(name, flag, perm))
}

func (osDisk) CreateTemp(dir, pattern string) (diskFile, error) {
	return opened(os.CreateTemp(dir, pattern))
}

// opened keeps a nil *os.File from becoming a diskFile that is not nil.
func opened(f *os.File, err error) (diskFile, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osDisk) MkdirTemp(dir, pattern string) (string, error) { return os.MkdirTemp(dir, pattern) }
func (osDisk) ReadFile(name string) ([]byte, error)          { return os.ReadFile(name) }

func (osDisk) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return os.WriteFile(name, data, perm)
}

func (osDisk) ReadDir(name string) ([]fs.DirEntry, error)   { return os.ReadDir(name) }
func (osDisk) Stat(name string) (fs.FileInfo, error)        { return os.Stat(name) }
func (osDisk) Lstat(name string) (fs.FileInfo, error)       { return os.Lstat(name) }
func (osDisk) Remove(name string) error                     { return os.Remove(name) }
func (osDisk) RemoveAll(path string) error                  { return os.RemoveAll(path) }
func (osDisk) Rename(oldPath, newPath string) error         { return os.Rename(oldPath, newPath) }
func (osDisk) MkdirAll(path string, perm fs.FileMode) error { return os.MkdirAll(path, perm) }
func (osDisk) DirFS(dir string) fs.FS                       { return os.DirFS(dir) }

// SyncDir does nothing on Windows, which cannot, and need not: it keeps the order itself.
func (osDisk) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
