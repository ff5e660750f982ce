// Package store saves what a crawl fetches: each URL in a file of its own below
// one directory, under a name that is made of the URL.
//
// A file is there as a whole or not at all: it is written under another name,
// synced if wanted, and renamed. Nothing is written outside of the directory,
// whatever a URL is and whatever links somebody puts there.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// parts is the directory for what is being written. What is left there was not
// finished.
const parts = ".asyncio-crawl"

// A Store is one directory. Its methods may be called on any goroutine.
type Store struct {
	dir  string
	root *os.Root
	sync bool
	next atomic.Uint64

	mu    sync.Mutex
	known map[string]struct{} // directories that are there
	dirty map[string]struct{} // of those, the ones with names that are not synced
}

// Open opens a directory and makes it where it is missing. With sync a file
// that was saved, and flushed, outlives a loss of power.
func Open(dir string, sync bool) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, root: root, sync: sync, known: map[string]struct{}{}, dirty: map[string]struct{}{}}
	if err = root.RemoveAll(parts); err == nil {
		err = root.Mkdir(parts, 0o777)
	}
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, parts), err)
	}
	return s, nil
}

// Close removes what is left of writing.
func (s *Store) Close() error {
	_ = s.root.RemoveAll(parts)
	return s.root.Close()
}

// Path is the path of a file as it is shown to the user.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// Find returns the file that a URL has, of whatever kind, if it has one.
func (s *Store) Find(u urls.URL) (name string, k Kind, ok bool) {
	for k := range Kind(len(added)) {
		name := Name(u, k)
		if info, err := s.root.Lstat(filepath.FromSlash(name)); err == nil && info.Mode().IsRegular() {
			return name, k, true
		}
	}
	return "", 0, false
}

// Read returns what a file holds.
func (s *Store) Read(name string) ([]byte, error) { return s.root.ReadFile(filepath.FromSlash(name)) }

// Save writes a file, in the place of one that is there. Its name is synced by
// [Store.Flush].
func (s *Store) Save(name string, body []byte) error {
	temp := path.Join(parts, fmt.Sprint(s.next.Add(1)))
	err := s.write(temp, body)
	if err == nil {
		err = s.rename(temp, name)
	}
	if err != nil {
		_ = s.root.Remove(filepath.FromSlash(temp))
		return fmt.Errorf("%s cannot be saved: %w", s.Path(name), err)
	}
	return nil
}

func (s *Store) write(temp string, body []byte) error {
	f, err := s.root.OpenFile(filepath.FromSlash(temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil && s.sync {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func (s *Store) rename(temp, name string) error {
	dir := path.Dir(name)
	if err := s.ensure(dir); err != nil {
		return err
	}
	err := s.root.Rename(filepath.FromSlash(temp), filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		s.mu.Lock()
		clear(s.known)
		s.mu.Unlock()
		if err := s.ensure(dir); err != nil {
			return err
		}
		err = s.root.Rename(filepath.FromSlash(temp), filepath.FromSlash(name))
	}
	if err == nil && s.sync {
		s.mu.Lock()
		s.dirty[dir] = struct{}{}
		s.mu.Unlock()
	}
	return err
}

// maxKnown bounds how many directories are remembered.
const maxKnown = 10_000

// ensure makes a directory and those above it.
func (s *Store) ensure(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[dir]; ok {
		return nil
	}
	if err := s.root.MkdirAll(filepath.FromSlash(dir), 0o777); err != nil {
		return err
	}
	if len(s.known) > maxKnown {
		clear(s.known)
	}
	s.known[dir] = struct{}{}
	for s.sync && dir != "." { // a new directory is a name in the one above
		dir = path.Dir(dir)
		s.dirty[dir] = struct{}{}
	}
	return nil
}

// Flush syncs the names of all files that were saved.
func (s *Store) Flush() error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = map[string]struct{}{}
	s.mu.Unlock()
	for dir := range dirty {
		if err := syncDir(s.root, filepath.FromSlash(dir)); err != nil {
			return fmt.Errorf("%s cannot be synced: %w", s.Path(dir), err)
		}
	}
	return nil
}
