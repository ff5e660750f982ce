package asyncfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/asyncio-go/asyncio/internal/offload"
)

// FS returns fsys for code that runs in the task of ctx and knows package io/fs only: each
// call is a job on a thread, and suspends the task. So what reads from an fs.FS, package
// html/template or archive/zip for instance, does not block the loop, and what is one,
// an archive or a directory, can be read in a task with [fs.ReadFile] and [fs.WalkDir].
func FS(ctx context.Context, fsys fs.FS) fs.FS { return boundFS{ctx, fsys} }

// DirFS is [FS] of [os.DirFS].
func DirFS(ctx context.Context, dir string) fs.FS { return FS(ctx, diskOf(ctx).DirFS(dir)) }

type boundFS struct {
	ctx  context.Context
	fsys fs.FS
}

var (
	_ fs.ReadFileFS = boundFS{}
	_ fs.ReadDirFS  = boundFS{}
	_ fs.StatFS     = boundFS{}
	_ fs.SubFS      = boundFS{}
)

func (b boundFS) Open(name string) (fs.File, error) {
	f, err := call(b.ctx, func() (fs.File, error) { return b.fsys.Open(name) }, func(f fs.File) { _ = f.Close() })
	if err != nil {
		return nil, err
	}
	return &fsFile{b.ctx, f}, nil
}

func (b boundFS) ReadFile(name string) ([]byte, error) {
	return call(b.ctx, func() ([]byte, error) { return fs.ReadFile(b.fsys, name) }, nil)
}

func (b boundFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return call(b.ctx, func() ([]fs.DirEntry, error) { return fs.ReadDir(b.fsys, name) }, nil)
}

func (b boundFS) Stat(name string) (fs.FileInfo, error) {
	return call(b.ctx, func() (fs.FileInfo, error) { return fs.Stat(b.fsys, name) }, nil)
}

func (b boundFS) Sub(dir string) (fs.FS, error) {
	sub, err := fs.Sub(b.fsys, dir)
	if err != nil {
		return nil, err
	}
	return boundFS{b.ctx, sub}, nil
}

// An fsFile is a file of an fs.FS. What its file cannot do is errors.ErrUnsupported.
type fsFile struct {
	ctx  context.Context
	file fs.File
}

func (f *fsFile) Stat() (fs.FileInfo, error) { return call(f.ctx, f.file.Stat, nil) }

func (f *fsFile) Close() error {
	return offload.Always(f.ctx, executorOf(f.ctx), f.file.Close)
}

func (f *fsFile) Read(p []byte) (int, error) { return f.read(p, f.file.Read) }

func (f *fsFile) ReadAt(p []byte, off int64) (int, error) {
	r, ok := f.file.(io.ReaderAt)
	if !ok {
		return 0, fmt.Errorf("read at an offset: %w", errors.ErrUnsupported)
	}
	return f.read(p, func(buf []byte) (int, error) { return r.ReadAt(buf, off) })
}

// read reads by way of a buffer, which a read that was cut off keeps.
func (f *fsFile) read(p []byte, do func([]byte) (int, error)) (int, error) {
	buf := make([]byte, len(p))
	m, err := call(f.ctx, func() (moved, error) {
		n, err := do(buf)
		return moved{n, err}, nil
	}, nil)
	if err != nil {
		return 0, err
	}
	return copy(p, buf[:m.n]), m.err
}

func (f *fsFile) Seek(offset int64, whence int) (int64, error) {
	s, ok := f.file.(io.Seeker)
	if !ok {
		return 0, fmt.Errorf("seek: %w", errors.ErrUnsupported)
	}
	return call(f.ctx, func() (int64, error) { return s.Seek(offset, whence) }, nil)
}

func (f *fsFile) ReadDir(n int) ([]fs.DirEntry, error) {
	d, ok := f.file.(fs.ReadDirFile)
	if !ok {
		return nil, fmt.Errorf("read as a directory: %w", errors.ErrUnsupported)
	}
	return call(f.ctx, func() ([]fs.DirEntry, error) { return d.ReadDir(n) }, nil)
}
