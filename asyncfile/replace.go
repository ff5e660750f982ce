package asyncfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
)

// ReplaceFile writes a file in such a way that whoever reads it finds the old content or
// the new, whole, also after a crash: it writes a temporary file beside it, syncs that,
// renames it, and syncs the directory. It is one job. When it fails, the old file is as
// it was; when it is cut off, the file is one or the other.
func ReplaceFile(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	data = slices.Clone(data)
	d := diskOf(ctx)
	_, err := do(ctx, func(ctx context.Context) (struct{}, error) {
		t, err := newReplacement(d, name)
		if err != nil {
			return struct{}{}, err
		}
		defer t.undo()
		if _, err := t.file.Write(data); err != nil {
			return struct{}{}, err
		}
		if err := ctx.Err(); err != nil {
			return struct{}{}, err // nobody waits for it any more
		}
		return struct{}{}, t.finish(perm, true)
	}, nil)
	return err
}

// Replace is [ReplaceFile] of what write writes. When write returns an error, the old file
// stays, and Replace returns that error.
func Replace(ctx context.Context, name string, perm fs.FileMode, write func(ctx context.Context, f *File) error) (err error) {
	d := diskOf(ctx)
	t, err := call(ctx, func() (*replacement, error) { return newReplacement(d, name) }, (*replacement).undo)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // also where write has panicked
			_ = always(ctx, func() error { t.undo(); return nil })
		}
	}()
	if err := write(ctx, newFile(t.file)); err != nil {
		return err
	}
	if err := run(ctx, func() error { return t.finish(perm, true) }); err != nil {
		return err
	}
	done = true
	return nil
}

// A replacement is a temporary file that will be another. Its methods block.
type replacement struct {
	disk disk
	name string
	file diskFile

	mu   sync.Mutex
	over bool
}

func newReplacement(d disk, name string) (*replacement, error) {
	f, err := d.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return nil, err
	}
	return &replacement{disk: d, name: name, file: f}, nil
}

// finish makes the file the one that it is to be, synced when that is wanted, or undoes it.
func (t *replacement) finish(perm fs.FileMode, sync bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return fmt.Errorf("replace %s: %w", t.name, fs.ErrClosed)
	}
	err := t.file.Chmod(perm.Perm())
	if err == nil && sync {
		err = t.file.Sync()
	}
	if err = errors.Join(err, t.file.Close()); err == nil {
		err = t.disk.Rename(t.file.Name(), t.name)
	}
	t.over = true
	if err != nil {
		_ = t.disk.Remove(t.file.Name())
		return fmt.Errorf("replace %s: %w", t.name, err)
	}
	if sync {
		return t.disk.SyncDir(filepath.Dir(t.name))
	}
	return nil
}

// undo removes the temporary file, unless all is over.
func (t *replacement) undo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		discard(t.disk, t.file)
	}
}
