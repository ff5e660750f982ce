package asyncfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// maxBuffer bounds what one job reads or writes, and so the buffer of a file.
const maxBuffer = 1 << 20

// A File is an open file, as [os.File]. Tasks may use it together, as goroutines may an
// os.File. Python: what aiofiles.open returns.
type File struct {
	file   diskFile
	memory memory
	spare  atomic.Pointer[[]byte] // a buffer that nobody uses
	// position is held, together, by the jobs that use the file's position: while one
	// waits for the disk, the system has others that want it wait, too. The loop reads
	// there only where no job does.
	position sync.RWMutex
}

// atPosition is the offset of what is read or written at the file's position.
const atPosition = -1

// NewFile returns f as a File, whose Close closes f. It does not wait.
func NewFile(f *os.File) *File { return newFile(f) }

func newFile(f diskFile) *File {
	file := &File{file: f}
	file.memory.of(f)
	return file
}

// Open is [os.Open].
func Open(ctx context.Context, name string) (*File, error) {
	return OpenFile(ctx, name, os.O_RDONLY, 0)
}

// Create is [os.Create].
func Create(ctx context.Context, name string) (*File, error) {
	return OpenFile(ctx, name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile is [os.OpenFile].
func OpenFile(ctx context.Context, name string, flag int, perm fs.FileMode) (*File, error) {
	d := diskOf(ctx)
	f, err := call(ctx, func() (diskFile, error) { return d.OpenFile(name, flag, perm) }, func(f diskFile) { _ = f.Close() })
	if err != nil {
		return nil, err
	}
	return newFile(f), nil
}

// CreateTemp is [os.CreateTemp]. The caller removes the file.
func CreateTemp(ctx context.Context, dir, pattern string) (*File, error) {
	d := diskOf(ctx)
	f, err := call(ctx, func() (diskFile, error) { return d.CreateTemp(dir, pattern) }, func(f diskFile) { discard(d, f) })
	if err != nil {
		return nil, err
	}
	return newFile(f), nil
}

// discard closes a file and removes it.
func discard(d disk, f diskFile) {
	_ = f.Close()
	_ = d.Remove(f.Name())
}

// OS returns the file below, or nil where that is none of the system's. Its methods block
// the loop.
func (f *File) OS() *os.File {
	o, _ := f.file.(*os.File)
	return o
}

// foreign returns why the file is of no use to a task in a simulated world: it is one of
// the system's.
func (f *File) foreign(ctx context.Context) error {
	if f.OS() == nil || filerOf(ctx) == nil {
		return nil
	}
	return escape(ctx, "a file of the system, "+f.Name())
}

// Name returns the name that the file was opened with.
func (f *File) Name() string { return f.file.Name() }

// moved is what a job has read or written. The error stands beside the number.
type moved struct {
	n   int
	err error
}

// positioned returns fn as a job that uses the file's position.
func positioned[T any](f *File, fn func() (T, error)) func() (T, error) {
	return func() (T, error) {
		f.position.RLock()
		defer f.position.RUnlock()
		return fn()
	}
}

// readInJob reads into buf from an offset or atPosition. It is for jobs.
func (f *File) readInJob(buf []byte, off int64) (int, error) {
	if off != atPosition {
		return f.file.ReadAt(buf, off)
	}
	f.position.RLock()
	defer f.position.RUnlock()
	return f.file.Read(buf)
}

// read reads into p from an offset or atPosition, by way of a buffer and in one job, unless
// it can do without.
func (f *File) read(ctx context.Context, p []byte, off int64) (int, error) {
	if n, done, err := f.readMemory(ctx, p, off); done {
		return n, err
	}
	buf := f.buffer(min(len(p), maxBuffer))
	m, err := callOn(ctx, f, func() (moved, error) {
		n, err := f.readInJob(buf, off)
		return moved{n, err}, nil
	}, nil)
	if err != nil {
		return 0, err // and buf is the job's
	}
	copy(p, buf[:m.n])
	f.keep(buf)
	return m.n, m.err
}

// write writes p by way of a buffer, in as many jobs as it takes.
func (f *File) write(ctx context.Context, p []byte, do func(buf []byte, done int) (int, error)) (int, error) {
	done := 0
	for {
		buf := f.buffer(min(len(p)-done, maxBuffer))
		copy(buf, p[done:])
		m, err := callOn(ctx, f, func() (moved, error) {
			n, err := do(buf, done)
			return moved{n, err}, nil
		}, nil)
		if err != nil {
			return done, err
		}
		f.keep(buf)
		done += m.n
		if m.err != nil || done == len(p) {
			return done, m.err
		}
	}
}

// buffer returns memory that no job uses.
func (f *File) buffer(n int) []byte {
	if b := f.spare.Swap(nil); b != nil && cap(*b) >= n {
		return (*b)[:n]
	}
	return make([]byte, n)
}

func (f *File) keep(buf []byte) { f.spare.Store(&buf) }

// Read is [os.File.Read]; it reads at most a mebibyte. A read that is cut off may have
// moved the file's position. Up to 64 KiB that Linux has in memory are read on the loop,
// in a microsecond or two, and others have a turn before; the rest is a job.
func (f *File) Read(ctx context.Context, p []byte) (int, error) {
	return f.read(ctx, p, atPosition)
}

var errNegative = errors.New("negative offset")

// ReadAt is [os.File.ReadAt]; what it costs is as for [File.Read].
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "readat", Path: f.Name(), Err: errNegative}
	}
	for {
		m, err := f.read(ctx, p[n:], off+int64(n))
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Write is [os.File.Write]. When it is cut off, the number is of what was surely written.
func (f *File) Write(ctx context.Context, p []byte) (int, error) {
	return f.write(ctx, p, func(buf []byte, _ int) (int, error) {
		f.position.RLock()
		defer f.position.RUnlock()
		return f.file.Write(buf)
	})
}

// WriteAt is [os.File.WriteAt].
func (f *File) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	return f.write(ctx, p, func(buf []byte, done int) (int, error) { return f.file.WriteAt(buf, off+int64(done)) })
}

// Seek is [os.File.Seek].
func (f *File) Seek(ctx context.Context, offset int64, whence int) (int64, error) {
	return callOn(ctx, f, positioned(f, func() (int64, error) { return f.file.Seek(offset, whence) }), nil)
}

// Sync is [os.File.Sync].
func (f *File) Sync(ctx context.Context) error { return f.run(ctx, f.file.Sync) }

// Truncate is [os.File.Truncate].
func (f *File) Truncate(ctx context.Context, size int64) error {
	return f.run(ctx, func() error { return f.file.Truncate(size) })
}

// run is callOn of a method that returns an error only.
func (f *File) run(ctx context.Context, fn func() error) error {
	_, err := callOn(ctx, f, func() (struct{}, error) { return struct{}{}, fn() }, nil)
	return err
}

// Stat is [os.File.Stat].
func (f *File) Stat(ctx context.Context) (fs.FileInfo, error) {
	return callOn(ctx, f, f.file.Stat, nil)
}

// ReadDir is [os.File.ReadDir].
func (f *File) ReadDir(ctx context.Context, n int) ([]fs.DirEntry, error) {
	type read struct {
		entries []fs.DirEntry
		err     error
	}
	r, err := callOn(ctx, f, positioned(f, func() (read, error) {
		entries, err := f.file.ReadDir(n)
		return read{entries, err}, nil
	}), nil)
	if err != nil {
		return nil, err
	}
	return r.entries, r.err
}

// Close closes the file, also where the wait is cut off or ctx has ended.
func (f *File) Close(ctx context.Context) error { return always(ctx, f.file.Close) }

// With returns the file with a context, for code that wants an [io.Reader] or any other
// of the interfaces of package io, or an [fs.File]. It is for the task of ctx.
func (f *File) With(ctx context.Context) *BoundFile { return &BoundFile{f, ctx} }

// A BoundFile is a [File] whose calls have a context already. See [File.With].
type BoundFile struct {
	f   *File
	ctx context.Context
}

var (
	_ io.ReadWriteSeeker = (*BoundFile)(nil)
	_ io.ReaderAt        = (*BoundFile)(nil)
	_ io.WriterAt        = (*BoundFile)(nil)
	_ fs.ReadDirFile     = (*BoundFile)(nil)
)

// Read implements [io.Reader].
func (b *BoundFile) Read(p []byte) (int, error) { return b.f.Read(b.ctx, p) }

// ReadAt implements [io.ReaderAt].
func (b *BoundFile) ReadAt(p []byte, off int64) (int, error) { return b.f.ReadAt(b.ctx, p, off) }

// Write implements [io.Writer].
func (b *BoundFile) Write(p []byte) (int, error) { return b.f.Write(b.ctx, p) }

// WriteAt implements [io.WriterAt].
func (b *BoundFile) WriteAt(p []byte, off int64) (int, error) { return b.f.WriteAt(b.ctx, p, off) }

// Seek implements [io.Seeker].
func (b *BoundFile) Seek(offset int64, whence int) (int64, error) {
	return b.f.Seek(b.ctx, offset, whence)
}

// Stat implements [fs.File].
func (b *BoundFile) Stat() (fs.FileInfo, error) { return b.f.Stat(b.ctx) }

// ReadDir implements [fs.ReadDirFile].
func (b *BoundFile) ReadDir(n int) ([]fs.DirEntry, error) { return b.f.ReadDir(b.ctx, n) }

// Close implements [io.Closer].
func (b *BoundFile) Close() error { return b.f.Close(b.ctx) }
