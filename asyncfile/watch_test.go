package asyncfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

func TestChangesAreTold(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		w, err := asyncfile.Watch(ctx, dir)
		ok(t, err)
		name, other := filepath.Join(dir, "f"), filepath.Join(dir, "g")
		await := func(path string, what asyncfile.Change) {
			t.Helper()
			for {
				e, err := w.Next(ctx)
				ok(t, err)
				if e.Path == path && e.Change.Has(what) {
					return
				}
			}
		}
		ok(t, asyncfile.WriteFile(ctx, name, []byte("x"), 0o600))
		await(name, asyncfile.Created)
		await(name, asyncfile.Written)
		ok(t, asyncfile.Rename(ctx, name, other))
		await(name, asyncfile.Renamed)
		ok(t, asyncfile.Remove(ctx, other))
		await(other, asyncfile.Removed)

		late, cancel := context.WithCancel(ctx)
		waiting := asyncio.Go(ctx, func(context.Context) error { _, err := w.Next(late); return err })
		ok(t, asyncio.Sleep(ctx, 0))
		cancel()
		if _, err := waiting.Await(ctx); err != context.Canceled {
			t.Errorf("a wait that was cut off: %v", err)
		}
		ok(t, w.Remove(ctx, dir), w.Add(ctx, dir))
		ok(t, asyncfile.WriteFile(ctx, name, []byte("x"), 0o600))
		for e, err := range w.All(ctx) {
			ok(t, err)
			if e.Change.Has(asyncfile.Created) {
				w.Close() // and the loop over the events ends
			}
		}
		if _, err := w.Next(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := asyncfile.Watch(ctx, filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func TestAWatcherEndsWithItsLoop(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		_, err := asyncfile.Watch(ctx, dir)
		ok(t, err)
	})
}

func TestADirectoryIsAnFS(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		ok(t, os.WriteFile(filepath.Join(dir, "a", "d"), []byte("text"), 0o600))
		ok(t, fstest.TestFS(asyncfile.DirFS(ctx, dir), "a/b/1", "a/b/2", "a/c/3", "a/d"))
		ok(t, fstest.TestFS(asyncfile.FS(ctx, fstest.MapFS{"x/y": {Data: []byte("z")}}), "x/y"))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := fs.ReadFile(asyncfile.DirFS(ended, dir), "a/d"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}
