package asyncfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// A plain is a file that can do no more than it has to.
type plain struct {
	fs.File
	closed chan struct{}
}

func (p plain) Close() error {
	close(p.closed)
	return p.File.Close()
}

type plainFS struct {
	fs.FS
	closed chan struct{}
}

func (p plainFS) Open(name string) (fs.File, error) {
	f, err := p.FS.Open(name)
	return plain{f, p.closed}, err
}

func newPlainFS() plainFS {
	return plainFS{fstest.MapFS{"x": {Data: []byte("text")}}, make(chan struct{})}
}

func TestWhatAFileOfAnFSCannotDoIsUnsupported(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		below := newPlainFS()
		fsys := asyncfile.FS(ctx, below)
		f, err := fsys.Open("x")
		ok(t, err)
		if n, err := f.(io.ReaderAt).ReadAt(make([]byte, 4), 0); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ReadAt: %d, %v", n, err)
		}
		if n, err := f.(io.Seeker).Seek(1, io.SeekStart); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Seek: %d, %v", n, err)
		}
		if all, err := f.(fs.ReadDirFile).ReadDir(1); all != nil || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ReadDir: %v, %v", all, err)
		}
		ok(t, f.Close())
		select {
		case <-below.closed:
		default:
			t.Error("it is not closed")
		}
		if sub, err := fs.Sub(fsys, ".."); sub != nil || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Sub: %v, %v", sub, err)
		}
	})
}

func TestAFileOfAnFSThatIsOpenedForACancelledTaskIsClosed(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		below := newPlainFS()
		e, release := blocked(t)
		task := asyncio.Go(asyncfile.WithExecutor(ctx, e), func(ctx context.Context) error {
			_, err := asyncfile.FS(ctx, below).Open("x")
			return err
		})
		ok(t, asyncio.Sleep(ctx, 0))
		release() // it is open, before the loop hears of it
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		_, _ = asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), below.closed).Await(ctx)
	})
}

func TestADirectoryIsReadAsAFile(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		f, err := asyncfile.Open(ctx, filepath.Join(dir, "a"))
		ok(t, err)
		all, err := f.ReadDir(ctx, -1)
		if len(all) != 3 || err != nil {
			t.Errorf("%v, %v", all, err)
		}
		if all, err := f.ReadDir(ctx, 1); len(all) != 0 || err != io.EOF {
			t.Errorf("at its end: %v, %v", all, err)
		}
		ok(t, f.With(ctx).Close())
		if all, err := f.ReadDir(ctx, 1); len(all) != 0 || err == nil {
			t.Errorf("after Close: %v, %v", all, err)
		}
		if err := f.Sync(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Sync after Close: %v", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if all, err := f.ReadDir(ended, 1); all != nil || err != context.Canceled {
			t.Errorf("with a context that has ended: %v, %v", all, err)
		}
	})
}

func TestAFileThatCannotBeOpenedIsNil(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		if f, err := asyncfile.Open(ctx, filepath.Join(dir, "missing")); f != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, %v", f, err)
		}
	})
}

func TestLockSaysWhatItCouldNotLock(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "lock")
		f, err := asyncfile.Create(ctx, name)
		ok(t, err, f.Close(ctx))
		for what, lock := range map[string]func(context.Context) error{"lock": f.Lock, "unlock": f.Unlock} {
			err := lock(ctx)
			if err == nil || !strings.HasPrefix(err.Error(), what+" "+name+": ") {
				t.Errorf("a closed file: %v", err)
			}
		}
	})
}

func TestAFileThatCannotBeReplacedStays(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		name := filepath.Join(dir, "a")
		never := func(context.Context, *asyncfile.File) error { t.Error("it was called"); return nil }
		if err := asyncfile.Replace(ctx, filepath.Join(dir, "missing", "f"), 0o600, never); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in no directory: %v", err)
		}
		nothing := func(context.Context, *asyncfile.File) error { return nil }
		for _, err := range []error{
			asyncfile.ReplaceFile(ctx, name, nil, 0o600),
			asyncfile.Replace(ctx, name, 0o600, nothing),
		} {
			if err == nil || !strings.HasPrefix(err.Error(), "replace "+name+": ") {
				t.Errorf("a directory: %v", err)
			}
		}
		if n, err := asyncfile.CopyFile(ctx, name, filepath.Join(name, "d")); err == nil || n != 0 {
			t.Errorf("a copy over a directory: %d, %v", n, err)
		}
		if got := names(t, dir); len(got) != 1 || len(names(t, name)) != 3 {
			t.Errorf("there is %v", got)
		}
	})
}

func TestARemovedTreeIsGone(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		ok(t, asyncfile.RemoveAll(ctx, filepath.Join(dir, "a")))
		if got := names(t, dir); len(got) != 0 {
			t.Errorf("there is %v", got)
		}
	})
}

// What a walk looks at may go meanwhile.
func TestADirectoryThatCannotBeReadIsTold(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		for _, result := range []error{nil, fs.SkipDir, fs.ErrInvalid} {
			makeTree(t, dir)
			told := 0
			err := asyncfile.Walk(ctx, dir, func(path string, d fs.DirEntry, err error) error {
				if filepath.Base(path) != "c" {
					return err
				}
				if err == nil {
					return os.RemoveAll(path)
				}
				told++
				return result
			})
			if result != fs.ErrInvalid && err != nil || result == fs.ErrInvalid && err != result || told != 1 {
				t.Errorf("Walk: %v, told %d times", err, told)
			}
		}
		makeTree(t, dir)
		err := asyncfile.Tree(ctx, dir, 0, func(_ context.Context, path string, d fs.DirEntry) error {
			if filepath.Base(path) == "c" {
				return os.RemoveAll(path)
			}
			return nil
		})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Tree: %v", err)
		}
	})
}

func TestACancelledWalkEnds(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		for what, walk := range map[string]func(ctx context.Context, seen func()) error{
			"Walk": func(ctx context.Context, seen func()) error {
				return asyncfile.Walk(ctx, dir, func(_ string, _ fs.DirEntry, err error) error { seen(); return err })
			},
			"Tree": func(ctx context.Context, seen func()) error {
				return asyncfile.Tree(ctx, dir, 1, func(context.Context, string, fs.DirEntry) error { seen(); return nil })
			},
		} {
			n := 0
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				self := asyncio.CurrentTask(ctx)
				return walk(ctx, func() {
					n++
					self.Cancel()
				})
			})
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || n != 1 {
				t.Errorf("%s: %v after %d", what, err, n)
			}
		}
	})
}

func TestAPathIsWatchedNoMore(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		ok(t, os.Mkdir(filepath.Join(dir, "a"), 0o700), os.Mkdir(filepath.Join(dir, "b"), 0o700))
		w, err := asyncfile.Watch(ctx, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
		ok(t, err)
		if err := w.Remove(ctx, name); err == nil || !strings.HasPrefix(err.Error(), "unwatch "+name+": ") {
			t.Errorf("what was not watched: %v", err)
		}
		ok(t, w.Remove(ctx, filepath.Join(dir, "a")))
		ok(t, os.WriteFile(filepath.Join(dir, "a", "f"), nil, 0o600), os.WriteFile(filepath.Join(dir, "b", "f"), nil, 0o600))
		e, err := w.Next(ctx)
		if err != nil || e.Path != filepath.Join(dir, "b", "f") {
			t.Errorf("%+v, %v", e, err)
		}
		late, cancel := context.WithCancel(ctx)
		cancel()
		told := 0
		for _, err := range w.All(late) {
			if err != nil {
				told++
				if err != context.Canceled {
					t.Errorf("the wait ended with %v", err)
				}
			}
		}
		if told != 1 {
			t.Errorf("the end of the wait was told %d times", told)
		}
		w.Close()
	})
}
