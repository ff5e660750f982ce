package asyncfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A disk is all that this package asks of a system's files. The functions block, and are
// called in jobs.
type disk = driver.FileSystem

// A diskFile is an open file of a disk; an [os.File] is one.
type diskFile = driver.File

// filerOf returns the driver of a task's loop, where that has files of its own: in a
// simulated world.
func filerOf(ctx context.Context) driver.Filer {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil // the call that follows says so
	}
	f, _ := hook.Driver(l).(driver.Filer)
	return f
}

// diskOf returns the disk for the calls of a task.
func diskOf(ctx context.Context) disk {
	if f := filerOf(ctx); f != nil {
		if d := f.Files(); d != nil {
			return d
		}
	}
	return osDisk{}
}

// escape returns why the task's world does not let what out, or nil: only a simulated
// world is closed.
func escape(ctx context.Context, what string) error {
	if l, err := asyncio.RunningLoop(ctx); err == nil {
		if f, ok := hook.Driver(l).(driver.Fence); ok {
			return fmt.Errorf("asyncfile: %w", f.Escape(what))
		}
	}
	return nil
}

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
func (osDisk) ReadFile(name string) ([]byte, error)          { return readWhole(name) }

func (osDisk) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return writeWhole(name, data, perm)
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
