package asyncfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	broken := errors.New("broken")
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		content := func() string {
			b, err := os.ReadFile(name)
			ok(t, err)
			if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
				t.Errorf("there is %v", got)
			}
			return string(b)
		}
		ok(t, asyncfile.ReplaceFile(ctx, name, []byte("one"), 0o640))
		if got := content(); got != "one" {
			t.Errorf("there is %q", got)
		}
		if info, err := os.Stat(name); err != nil || os.PathSeparator == '/' && info.Mode() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		write := func(text string, err error) func(context.Context, *asyncfile.File) error {
			return func(ctx context.Context, f *asyncfile.File) error {
				_, writeErr := f.Write(ctx, []byte(text))
				return errors.Join(writeErr, err)
			}
		}
		ok(t, asyncfile.Replace(ctx, name, 0o600, write("two", nil)))
		if got := content(); got != "two" {
			t.Errorf("there is %q", got)
		}
		if err := asyncfile.Replace(ctx, name, 0o600, write("three", broken)); !errors.Is(err, broken) {
			t.Errorf("Replace: %v", err)
		}
		if got := content(); got != "two" {
			t.Errorf("there is %q", got)
		}
		// Cut off while it is written.
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return asyncfile.Replace(ctx, name, 0o600, func(ctx context.Context, f *asyncfile.File) error {
				asyncio.CurrentTask(ctx).Cancel()
				return write("four", nil)(ctx, f)
			})
		})
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("a cancelled Replace: %v", err)
		}
		if got := content(); got != "two" {
			t.Errorf("there is %q", got)
		}
		if err := asyncfile.ReplaceFile(ctx, filepath.Join(dir, "missing", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in no directory: %v", err)
		}
	})
}

func TestAFileIsCopied(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
		for _, size := range []int{0, 1, 8 << 20, 8<<20 + 1} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i * i >> 8)
			}
			ok(t, os.WriteFile(src, want, 0o640))
			n, err := asyncfile.CopyFile(ctx, dst, src)
			if got, readErr := os.ReadFile(dst); err != nil || n != int64(size) || readErr != nil || !slices.Equal(got, want) {
				t.Errorf("of %d bytes: %d, %v, %v", size, n, err, readErr)
			}
		}
		if info, err := os.Stat(dst); err != nil || os.PathSeparator == '/' && info.Mode() != 0o640 {
			t.Errorf("%v, %v", info, err)
		}
		before, err := os.Stat(dst)
		ok(t, err)
		e := asyncio.NewThreadPoolExecutor(2)
		for range 20 { // cut off at once, or soon
			task := asyncio.Go(asyncfile.WithExecutor(ctx, e), func(ctx context.Context) error {
				_, err := asyncfile.CopyFile(ctx, dst, src)
				return err
			})
			ok(t, asyncio.Sleep(ctx, 0))
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("a cancelled copy: %v", err)
			}
		}
		for s := e.Stats(); s.Running+s.Queued > 0 || len(names(t, dir)) != 2; s = e.Stats() {
			ok(t, asyncio.Sleep(ctx, 0))
		}
		if after, err := os.Stat(dst); err != nil || !os.SameFile(before, after) {
			t.Errorf("a cancelled copy took effect: %v", err)
		}
		for _, from := range []string{dir, filepath.Join(dir, "missing")} {
			if _, err := asyncfile.CopyFile(ctx, filepath.Join(dir, "to"), from); err == nil {
				t.Errorf("%s was copied", from)
			}
		}
		if _, err := asyncfile.CopyFile(ctx, filepath.Join(dir, "missing", "to"), src); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("into no directory: %v", err)
		}
	})
}

func TestLocksExcludeEachOther(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		open := func() *asyncfile.File {
			f, err := asyncfile.OpenFile(ctx, filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
			ok(t, err)
			return f
		}
		a, b := open(), open()
		if err := a.Lock(ctx); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("this system has no locks of files")
		} else {
			ok(t, err)
		}
		if got, err := b.TryLock(ctx); got || err != nil {
			t.Errorf("a second lock: %v, %v", got, err)
		}
		if got, err := b.TryRLock(ctx); got || err != nil {
			t.Errorf("a shared lock beside another: %v, %v", got, err)
		}
		waiting := asyncio.Go(ctx, func(ctx context.Context) error { return b.Lock(ctx) })
		c := open()
		cancelled := asyncio.Go(ctx, func(ctx context.Context) error { return c.RLock(ctx) })
		ok(t, asyncio.Sleep(ctx, 0))
		cancelled.Cancel()
		if _, err := cancelled.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("a cancelled wait for a lock: %v", err)
		}
		ok(t, a.Unlock(ctx))
		_, err := waiting.Await(ctx)
		ok(t, err, b.Unlock(ctx))
		ok(t, a.RLock(ctx), b.RLock(ctx))
		ok(t, a.Close(ctx))
		if got, err := b.TryLock(ctx); !got || err != nil {
			t.Errorf("after the other was closed: %v, %v", got, err)
		}
		ok(t, b.Close(ctx), c.Close(ctx))
	})
}
