package asyncfile

import (
	"context"
	"io/fs"
	"os"
	"slices"
)

// ReadFile is [os.ReadFile], in one job.
func ReadFile(ctx context.Context, name string) ([]byte, error) {
	return call(ctx, func() ([]byte, error) { return os.ReadFile(name) }, nil)
}

// WriteFile is [os.WriteFile], in one job. Who reads meanwhile, or after a crash, may
// find half of it; see [ReplaceFile].
func WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	data = slices.Clone(data)
	return run(ctx, func() error { return os.WriteFile(name, data, perm) })
}

// ReadDir is [os.ReadDir], in one job. The Info of an entry blocks, for a short time.
func ReadDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	return call(ctx, func() ([]fs.DirEntry, error) { return os.ReadDir(name) }, nil)
}

// Stat is [os.Stat].
func Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	return call(ctx, func() (fs.FileInfo, error) { return os.Stat(name) }, nil)
}

// Lstat is [os.Lstat].
func Lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	return call(ctx, func() (fs.FileInfo, error) { return os.Lstat(name) }, nil)
}

// Remove is [os.Remove].
func Remove(ctx context.Context, name string) error {
	return run(ctx, func() error { return os.Remove(name) })
}

// RemoveAll is [os.RemoveAll]. When the wait is cut off, it goes on.
func RemoveAll(ctx context.Context, path string) error {
	return run(ctx, func() error { return os.RemoveAll(path) })
}

// Rename is [os.Rename].
func Rename(ctx context.Context, oldPath, newPath string) error {
	return run(ctx, func() error { return os.Rename(oldPath, newPath) })
}

// MkdirAll is [os.MkdirAll].
func MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	return run(ctx, func() error { return os.MkdirAll(path, perm) })
}

// MkdirTemp is [os.MkdirTemp]. The caller removes the directory.
func MkdirTemp(ctx context.Context, dir, pattern string) (string, error) {
	return call(ctx, func() (string, error) { return os.MkdirTemp(dir, pattern) }, func(dir string) { _ = os.Remove(dir) })
}
