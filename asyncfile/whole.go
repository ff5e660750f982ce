package asyncfile

import (
	"context"
	"io/fs"
	"slices"
)

// ReadFile is [os.ReadFile], in one job.
func ReadFile(ctx context.Context, name string) ([]byte, error) {
	d := diskOf(ctx)
	return call(ctx, func() ([]byte, error) { return d.ReadFile(name) }, nil)
}

// WriteFile is [os.WriteFile], in one job. Who reads meanwhile, or after a crash, may
// find half of it; see [ReplaceFile].
func WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	d := diskOf(ctx)
	data = slices.Clone(data)
	return run(ctx, func() error { return d.WriteFile(name, data, perm) })
}

// ReadDir is [os.ReadDir], in one job. The Info of an entry blocks, for a short time.
func ReadDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	d := diskOf(ctx)
	return call(ctx, func() ([]fs.DirEntry, error) { return d.ReadDir(name) }, nil)
}

// Stat is [os.Stat].
func Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	d := diskOf(ctx)
	return call(ctx, func() (fs.FileInfo, error) { return d.Stat(name) }, nil)
}

// Lstat is [os.Lstat].
func Lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	d := diskOf(ctx)
	return call(ctx, func() (fs.FileInfo, error) { return d.Lstat(name) }, nil)
}

// Remove is [os.Remove].
func Remove(ctx context.Context, name string) error {
	d := diskOf(ctx)
	return run(ctx, func() error { return d.Remove(name) })
}

// RemoveAll is [os.RemoveAll]. When the wait is cut off, it goes on.
func RemoveAll(ctx context.Context, path string) error {
	d := diskOf(ctx)
	return run(ctx, func() error { return d.RemoveAll(path) })
}

// Rename is [os.Rename].
func Rename(ctx context.Context, oldPath, newPath string) error {
	d := diskOf(ctx)
	return run(ctx, func() error { return d.Rename(oldPath, newPath) })
}

// MkdirAll is [os.MkdirAll].
func MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	d := diskOf(ctx)
	return run(ctx, func() error { return d.MkdirAll(path, perm) })
}

// MkdirTemp is [os.MkdirTemp]. The caller removes the directory.
func MkdirTemp(ctx context.Context, dir, pattern string) (string, error) {
	d := diskOf(ctx)
	return call(ctx, func() (string, error) { return d.MkdirTemp(dir, pattern) }, func(dir string) { _ = d.Remove(dir) })
}
