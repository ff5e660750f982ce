package simdisk

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A File is an open file or directory of a [Disk].
type File struct {
	d      *Disk
	n      *node
	name   string
	flag   int
	pos    int64
	boot   uint64
	closed bool

	listed bool          // the entries are those of the directory
	left   []fs.DirEntry // that ReadDir has not returned
}

var _ driver.LockedFile = (*File)(nil)

// OpenFile is [os.OpenFile].
func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (driver.File, error) {
	f, err := d.open(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (d *Disk) open(name string, flag int, perm fs.FileMode) (*File, error) {
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	n, err := d.find(name)
	switch {
	case err == nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, syscall.EEXIST
	case err == nil && n.isDir() && (writes || flag&os.O_CREATE != 0):
		return nil, syscall.EISDIR
	case err == syscall.ENOENT && flag&os.O_CREATE != 0:
		if n, err = d.create(name, perm.Perm()); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case n.mode&fs.ModeSocket != 0:
		return nil, syscall.ENXIO
	}
	f := &File{d: d, n: n, name: name, flag: flag, boot: d.boots}
	n.open++
	if flag&os.O_TRUNC != 0 && writes && len(n.data) > 0 {
		f.resize(0)
	}
	return f, nil
}

// create makes an empty file, or a socket's node.
func (d *Disk) create(name string, mode fs.FileMode) (*node, error) {
	dir, last, err := d.place(name)
	switch {
	case err != nil:
		return nil, err
	case name[len(name)-1] == '/':
		return nil, syscall.EISDIR
	case len(last) > maxName:
		return nil, syscall.ENAMETOOLONG
	}
	n := &node{mode: mode, modified: d.world.Now()}
	d.apply(change{to: dir, name: last, node: n})
	d.world.Trace(OpCreate, clean(name), 0)
	return n, nil
}

const maxName = 255

// fail returns err as that of a call.
func (f *File) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// usable returns why the file can be used no more, or not for that.
func (f *File) usable(reads, writes bool) error {
	switch access := f.flag & (os.O_WRONLY | os.O_RDWR); {
	case f.closed || f.boot != f.d.boots:
		return fs.ErrClosed
	case reads && access == os.O_WRONLY, writes && access == os.O_RDONLY:
		return syscall.EBADF
	case reads && f.n.isDir():
		return syscall.EISDIR
	}
	return nil
}

// trouble returns EIO where the world wants that.
func (f *File) trouble() error {
	if f.d.Errors > 0 && f.d.world.Chance(f.d.Errors) {
		f.d.world.Trace(OpFailure, clean(f.name), 0)
		return syscall.EIO
	}
	return nil
}

// Name implements [driver.File].
func (f *File) Name() string { return f.name }

// Read implements [driver.File].
func (f *File) Read(p []byte) (int, error) {
	n, err := f.readAt(p, f.pos)
	f.pos += int64(n)
	if err != io.EOF {
		err = f.fail("read", err)
	}
	return n, err
}

// ReadAt implements [driver.File].
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, f.fail("readat", errors.New("negative offset"))
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.readAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	if err != io.EOF {
		err = f.fail("read", err)
	}
	return n, err
}

func (f *File) readAt(p []byte, off int64) (int, error) {
	err := f.usable(true, false)
	if len(p) == 0 && err != fs.ErrClosed {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := f.trouble(); err != nil {
		return 0, err
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	if f.d.Rot > 0 && f.d.world.Chance(f.d.Rot) && f.d.rot(f.n) {
		f.d.world.Trace(OpRot, clean(f.name), digest(f.n.data))
	}
	return copy(p, f.n.data[off:]), nil
}

// Write implements [driver.File].
func (f *File) Write(p []byte) (int, error) {
	off := f.pos
	if f.flag&os.O_APPEND != 0 {
		off = int64(len(f.n.data))
	}
	n, err := f.writeAt(p, off)
	if n > 0 { // else it stays where it is, with O_APPEND too
		f.pos = off + int64(n)
	}
	return n, f.fail("write", err)
}

// WriteAt implements [driver.File].
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case f.flag&os.O_APPEND != 0:
		return 0, errors.New("os: invalid use of WriteAt on file opened with O_APPEND")
	case off < 0:
		return 0, f.fail("writeat", errors.New("negative offset"))
	case len(p) == 0:
		return 0, nil
	}
	n, err := f.writeAt(p, off)
	return n, f.fail("write", err)
}

func (f *File) writeAt(p []byte, off int64) (int, error) {
	if err := f.usable(false, true); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.trouble(); err != nil {
		return 0, err
	}
	n, err := len(p), error(nil)
	if off > maxFile-int64(n) {
		return 0, syscall.EFBIG
	}
	if grows := off + int64(n) - int64(len(f.n.data)); grows > 0 {
		if lacks := grows - f.d.free(); lacks > 0 {
			n, err = max(n-int(min(lacks, int64(n))), 0), syscall.ENOSPC
		}
	}
	if n > 0 {
		f.d.change(f.n, write{off: off, data: p[:n]})
		f.d.world.Trace(OpWrite, clean(f.name), digest(p[:n]))
		if f.flag&os.O_SYNC != 0 {
			f.n.sync()
		}
	}
	return n, err
}

// maxFile bounds a file: it is in memory.
const maxFile = 1 << 32

// free returns how many more bytes there is room for.
func (d *Disk) free() int64 {
	if d.Capacity <= 0 {
		return math.MaxInt64
	}
	return max(d.Capacity-d.used, 0)
}

// resize cuts the file off or makes it longer.
func (f *File) resize(size int64) {
	f.d.change(f.n, write{off: size, resize: true})
	f.d.world.Trace(OpResize, clean(f.name), uint64(size))
}

// Truncate implements [driver.File].
func (f *File) Truncate(size int64) error {
	err := f.usable(false, true)
	switch grows := size - int64(len(f.n.data)); {
	case err == syscall.EBADF, err == nil && size < 0:
		err = syscall.EINVAL
	case err != nil:
	case size > maxFile:
		err = syscall.EFBIG
	case grows > f.d.free():
		err = syscall.ENOSPC
	default:
		f.resize(size)
	}
	return f.fail("truncate", err)
}

// Seek implements [driver.File].
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.usable(false, false); err != nil {
		return 0, f.fail("seek", err)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += int64(len(f.n.data))
	default:
		return 0, f.fail("seek", syscall.EINVAL)
	}
	if offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	f.pos, f.listed, f.left = offset, false, nil
	return offset, nil
}

// Sync implements [driver.File].
func (f *File) Sync() error {
	err := f.usable(false, false)
	if err == nil {
		if err = f.trouble(); err != nil {
			f.n.syncFails()
		} else {
			f.d.sync(f.n, f.name)
		}
	}
	return f.fail("sync", err)
}

// sync brings a file or a directory to the disk.
func (d *Disk) sync(n *node, name string) {
	if n.isDir() {
		d.syncDir(n)
	} else {
		n.sync()
	}
	d.world.Trace(OpSync, clean(name), 0)
}

// Chmod implements [driver.File]. Nobody is refused for it.
func (f *File) Chmod(mode fs.FileMode) error {
	err := f.usable(false, false)
	if err == nil {
		f.n.mode = f.n.mode.Type() | mode.Perm()
	}
	return f.fail("chmod", err)
}

// Stat implements [driver.File].
func (f *File) Stat() (fs.FileInfo, error) {
	if err := f.usable(false, false); err != nil {
		return nil, f.fail("stat", err)
	}
	return f.n.info(f.name), nil
}

// ReadDir implements [driver.File].
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	err := f.usable(false, false)
	if err == nil && !f.n.isDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, f.fail("readdirent", err)
	}
	if !f.listed {
		f.listed, f.left = true, f.n.list()
	}
	if n <= 0 {
		all := f.left
		f.left = nil
		return all, nil
	}
	if len(f.left) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.left))
	some := f.left[:n:n]
	f.left = f.left[n:]
	return some, nil
}

// Close implements [driver.File].
func (f *File) Close() error {
	if err := f.usable(false, false); err != nil {
		return f.fail("close", err)
	}
	f.closed = true
	delete(f.n.locks, f)
	f.n.open--
	f.d.let(f.n)
	return nil
}

// TryLock implements [driver.LockedFile].
func (f *File) TryLock(exclusive bool) (bool, error) {
	if err := f.usable(false, false); err != nil {
		return false, err
	}
	for other, alone := range f.n.locks {
		if other != f && (alone || exclusive) {
			return false, nil
		}
	}
	if f.n.locks == nil {
		f.n.locks = make(map[*File]bool)
	}
	f.n.locks[f] = exclusive
	return true, nil
}

// Unlock implements [driver.LockedFile].
func (f *File) Unlock() error {
	if err := f.usable(false, false); err != nil {
		return err
	}
	delete(f.n.locks, f)
	return nil
}

// list returns what is in a directory.
func (n *node) list() []fs.DirEntry {
	all := make([]fs.DirEntry, 0, len(n.entries))
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		all = append(all, fs.FileInfoToDirEntry(n.entries[name].info(name)))
	}
	return all
}
