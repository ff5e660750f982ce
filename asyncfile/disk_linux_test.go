package asyncfile_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/asyncfile"
	"golang.org/x/sys/unix"
)

// inNamespace reports whether the test may mount disks: it runs in a process that is root
// in a namespace of its own. Else it is run in such a process, and is over then.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "ASYNCFILE_NAMESPACE"
	if os.Getenv(mark) != "" {
		ok(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		t.Errorf("%v\n%s", err, out)
	case err != nil:
		t.Skip("a namespace cannot be made: ", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip(string(out))
	}
	return false
}

// mount mounts a disk.
func mount(t *testing.T, kind, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("asyncfile", dir, kind, 0, options); err != nil {
		t.Skipf("%s cannot be mounted: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error("what was on the disk is still open: ", err)
		}
	})
	return dir
}

func TestAFullDiskIsReported(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	disk := mount(t, "tmpfs", "size=1m")
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
