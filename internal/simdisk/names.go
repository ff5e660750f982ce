package simdisk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// CreateTemp implements [driver.FileSystem]. The names are 1, 2 and so on.
func (d *Disk) CreateTemp(dir, pattern string) (driver.File, error) {
	for {
		name, err := d.temp(dir, pattern)
		if err != nil {
			return nil, &fs.PathError{Op: "createtemp", Path: pattern, Err: err}
		}
		f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !os.IsExist(err) {
			return f, err
		}
	}
}

// MkdirTemp implements [driver.FileSystem].
func (d *Disk) MkdirTemp(dir, pattern string) (string, error) {
	for {
		name, err := d.temp(dir, pattern)
		if err == nil {
			if err = d.mkdir(name, 0o700); err == syscall.EEXIST {
				continue
			}
		}
		if err != nil {
			return "", &fs.PathError{Op: "mkdirtemp", Path: pattern, Err: err}
		}
		return name, nil
	}
}

// temp makes a name up.
func (d *Disk) temp(dir, pattern string) (string, error) {
	if strings.Contains(pattern, "/") {
		return "", errors.New("pattern contains path separator")
	}
	if dir == "" {
		dir = TempDir
	}
	prefix, suffix := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		prefix, suffix = pattern[:i], pattern[i+1:]
	}
	d.temps++
	return path.Join(dir, prefix+strconv.Itoa(d.temps)+suffix), nil
}

// ReadFile implements [driver.FileSystem].
func (d *Disk) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := make([]byte, len(f.(*File).n.data)+1)
	n, err := f.Read(p)
	if err == io.EOF {
		err = nil
	}
	return p[:n], err
}

// WriteFile implements [driver.FileSystem].
func (d *Disk) WriteFile(name string, data []byte, perm fs.FileMode) error {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// ReadDir implements [driver.FileSystem].
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if !f.(*File).n.isDir() {
		_ = f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// Stat implements [driver.FileSystem].
func (d *Disk) Stat(name string) (fs.FileInfo, error) { return d.stat("stat", name) }

// Lstat implements [driver.FileSystem]. There are no links.
func (d *Disk) Lstat(name string) (fs.FileInfo, error) { return d.stat("lstat", name) }

func (d *Disk) stat(op, name string) (fs.FileInfo, error) {
	n, err := d.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n.info(name), nil
}

// Remove implements [driver.FileSystem].
func (d *Disk) Remove(name string) error {
	n, err := d.find(name)
	switch {
	case err != nil:
	case n == d.root:
		err = syscall.EBUSY
	case len(n.entries) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	d.unlink(name, n)
	return nil
}

// unlink takes its name from a node.
func (d *Disk) unlink(name string, n *node) {
	dir, last, _ := d.place(name)
	d.apply(change{from: dir, fromName: last})
	d.world.Trace(OpRemove, clean(name), 0)
	n.unlinked = true
	d.let(n)
}

// RemoveAll implements [driver.FileSystem].
func (d *Disk) RemoveAll(name string) error {
	n, err := d.find(name)
	switch {
	case name == "" || err == syscall.ENOENT:
		return nil
	case err != nil:
		return &fs.PathError{Op: "unlinkat", Path: name, Err: err}
	case n == d.root || name == "." || strings.HasSuffix(name, "/."):
		return &fs.PathError{Op: "RemoveAll", Path: name, Err: syscall.EINVAL}
	}
	d.removeAll(clean(name), n)
	return nil
}

func (d *Disk) removeAll(name string, n *node) {
	if n.isDir() {
		for _, e := range n.list() {
			d.removeAll(path.Join(name, e.Name()), n.entries[e.Name()])
		}
	}
	d.unlink(name, n)
}

// Rename implements [driver.FileSystem]. After a crash the name stands for the one file
// or the other.
func (d *Disk) Rename(oldPath, newPath string) error {
	if err := d.rename(oldPath, newPath); err != nil {
		return &os.LinkError{Op: "rename", Old: oldPath, New: newPath, Err: err}
	}
	return nil
}

func (d *Disk) rename(oldPath, newPath string) error {
	from, fromName, err := d.place(oldPath)
	if err != nil {
		return err
	}
	to, name, err := d.place(newPath)
	if err != nil {
		return err
	}
	n, err := d.find(oldPath)
	if err != nil {
		return err
	}
	there, err := d.find(newPath)
	switch {
	case err != nil && err != syscall.ENOENT:
		return err
	case there != nil && there.isDir() && (there != n || newPath == oldPath): // package os has it so
		return syscall.EEXIST
	case there == n:
		return nil
	case n.isDir() && strings.HasPrefix(clean(newPath)+"/", clean(oldPath)+"/"):
		return syscall.EINVAL
	case n.isDir() && there != nil:
		return syscall.ENOTDIR
	case !n.isDir() && strings.HasSuffix(newPath, "/"):
		return syscall.ENOTDIR
	case n == d.root:
		return syscall.EBUSY
	case len(name) > maxName:
		return syscall.ENAMETOOLONG
	}
	d.apply(change{from: from, fromName: fromName, to: to, name: name, node: n})
	d.world.Trace(OpRename, clean(newPath), 0)
	if there != nil {
		there.unlinked = true
		d.let(there)
	}
	return nil
}

// MkdirAll implements [driver.FileSystem].
func (d *Disk) MkdirAll(name string, perm fs.FileMode) error {
	if name == "" {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOENT}
	}
	at := ""
	for part := range strings.SplitSeq(clean(name)[1:], "/") {
		if part == "" {
			continue
		}
		at += "/" + part
		n, err := d.find(at)
		if err == nil && !n.isDir() {
			err = syscall.ENOTDIR
		}
		if err == syscall.ENOENT {
			err = d.mkdir(at, perm)
		}
		if err != nil {
			return &fs.PathError{Op: "mkdir", Path: at, Err: err}
		}
	}
	return nil
}

func (d *Disk) mkdir(name string, perm fs.FileMode) error {
	if _, err := d.find(name); err == nil {
		return syscall.EEXIST
	}
	dir, last, err := d.place(name)
	if err != nil {
		return err
	}
	if len(last) > maxName {
		return syscall.ENAMETOOLONG
	}
	d.apply(change{to: dir, name: last, node: newDir(d.world.Now(), perm.Perm())})
	d.world.Trace(OpCreate, clean(name), 0)
	return nil
}

// SyncDir implements [driver.FileSystem].
func (d *Disk) SyncDir(dir string) error {
	f, err := d.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// SyncAll brings all that there is to the disk.
func (d *Disk) SyncAll() {
	for i := range d.journal {
		d.journal[i].keep()
	}
	d.journal = nil
	syncIn(d.root)
	d.world.Trace(OpSync, "/", 0)
}

func syncIn(dir *node) {
	for _, n := range dir.entries {
		if n.isDir() {
			syncIn(n)
		} else {
			n.sync()
		}
	}
}

// RotFile turns a bit of a file over.
func (d *Disk) RotFile(name string) error {
	n, err := d.find(name)
	if err == nil && n.isDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		return &fs.PathError{Op: "rot", Path: name, Err: err}
	}
	if d.rot(n) {
		d.world.Trace(OpRot, clean(name), digest(n.data))
	}
	return nil
}

// DirFS implements [driver.FileSystem].
func (d *Disk) DirFS(dir string) fs.FS { return dirFS{d, dir} }

// A dirFS is what is in a directory of a disk.
type dirFS struct {
	d   *Disk
	dir string
}

var (
	_ fs.ReadFileFS = dirFS{}
	_ fs.ReadDirFS  = dirFS{}
	_ fs.StatFS     = dirFS{}
)

// at does something with what has a name in the directory.
func at[T any](f dirFS, op, name string, do func(full string) (T, error)) (T, error) {
	if !fs.ValidPath(name) {
		var none T
		return none, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	v, err := do(path.Join(f.dir, name))
	if e, ok := err.(*fs.PathError); ok {
		e.Path = name
	}
	return v, err
}

func (f dirFS) Open(name string) (fs.File, error) {
	return at(f, "open", name, func(full string) (fs.File, error) { return f.d.OpenFile(full, os.O_RDONLY, 0) })
}

func (f dirFS) ReadFile(name string) ([]byte, error) { return at(f, "readfile", name, f.d.ReadFile) }

func (f dirFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return at(f, "readdir", name, f.d.ReadDir)
}

func (f dirFS) Stat(name string) (fs.FileInfo, error) { return at(f, "stat", name, f.d.Stat) }

// info returns what is to be known of a node.
func (n *node) info(name string) fs.FileInfo {
	return &info{path.Base(name), int64(len(n.data)), n.mode, n.modified}
}

type info struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.modified }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return nil }
