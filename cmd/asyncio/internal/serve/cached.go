package serve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// errWouldWait is the error of what cannot be had without waiting for a disk.
var errWouldWait = errors.New("it would wait for the disk")

// lookNow is look without a thread: on the loop, for a file which the kernel finds,
// opens and reads without a disk, and which needs no work. It returns nil for all
// else, mistakes too, which look judges then.
func (s *site) lookNow(q query) *document {
	if s.cached == nil {
		return nil
	}
	f, info := s.openCached(q.name)
	if f != nil && info.IsDir() && q.slash {
		_ = f.Close()
		f, info = s.openCached(filepath.Join(q.name, indexes[0]))
		q.slash = false
	}
	if f == nil {
		return nil
	}
	if q.slash || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil
	}
	d, err := newDocument(f, info, s.cached.read)
	if err != nil {
		return nil
	}
	if d.choose(q); d.zipped && d.file == nil {
		return nil // packing takes its time
	}
	return d
}

// openCached opens a file; nil where that might wait, or fails.
func (s *site) openCached(name string) (*os.File, fs.FileInfo) {
	f, err := s.cached.open(name)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil
	}
	return f, info
}
