package driver

import (
	"io"
	"io/fs"
	"time"
)

// A Filer is a driver whose machine has files of its own, which package asyncfile uses
// in the place of the system's.
type Filer interface {
	// Files returns the machine's files; nil: it has none.
	Files() FileSystem
	// FileLatency returns how long the next call waits before it does something, and
	// how long it takes afterwards until the caller hears of it.
	FileLatency() (before, after time.Duration)
}

// A FileSystem is all that package asyncfile asks of files. The methods are those of
// package os, and return its errors.
type FileSystem interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	CreateTemp(dir, pattern string) (File, error)
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

// A File is an open file. Its methods are those of [os.File], which is one.
type File interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	fs.ReadDirFile
	Name() string
	Sync() error
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
}

// A LockedFile is a File that can be locked without a descriptor, as flock(2) does.
type LockedFile interface {
	File
	// TryLock takes the lock, for this open file alone or beside others, and reports
	// whether it could.
	TryLock(exclusive bool) (bool, error)
	Unlock() error
}
