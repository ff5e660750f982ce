package asyncfile_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/asyncfile"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of a mebibyte.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("asyncfile", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small disk cannot be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error("what was on the disk is still open: ", err)
		}
	})
	return dir
}

func TestAFullDiskIsReported(t *testing.T) {
	disk := smallDisk(t)
	big := make([]byte, 3<<20)
	onLoop(t, func(ctx context.Context, dir string) {
		src, name := filepath.Join(dir, "src"), filepath.Join(disk, "f")
		ok(t, os.WriteFile(src, big, 0o600), os.WriteFile(name, []byte("old"), 0o600))
		full := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s: %v", what, err)
			}
		}
		full("ReplaceFile", asyncfile.ReplaceFile(ctx, name, big, 0o600))
		full("Replace", asyncfile.Replace(ctx, name, 0o600, func(ctx context.Context, f *asyncfile.File) error {
			_, err := f.Write(ctx, big)
			return err
		}))
		_, err := asyncfile.CopyFile(ctx, name, src)
		full("CopyFile", err)
		if got, err := os.ReadFile(name); err != nil || string(got) != "old" || !slices.Equal(names(t, disk), []string{"f"}) {
			t.Errorf("there is %q, %v, in %v", got, err, names(t, disk))
		}
		f, err := asyncfile.Create(ctx, filepath.Join(disk, "g"))
		ok(t, err)
		n, err := f.Write(ctx, bytes.Repeat([]byte("x"), 3<<20))
		full("Write", err)
		if info, err := f.Stat(ctx); err != nil || n < 500<<10 || info.Size() != int64(n) {
			t.Errorf("Write says that it has written %d, and the file has %d: %v", n, info.Size(), err)
		}
		ok(t, f.Close(ctx), asyncfile.Remove(ctx, filepath.Join(disk, "g")))
		full("WriteFile", asyncfile.WriteFile(ctx, filepath.Join(disk, "h"), big, 0o600))
	})
}
