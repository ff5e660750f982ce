package asyncfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asyncfile"
)

func TestACopyLeavesNoFileOpen(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		src := filepath.Join(dir, "src")
		ok(t, os.WriteFile(src, []byte("text"), 0o600))
		_, err := asyncfile.CopyFile(ctx, filepath.Join(dir, "dst"), src)
		ok(t, err)
		if _, err := asyncfile.CopyFile(ctx, filepath.Join(dir, "none", "dst"), src); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a directory for the copy: %v", err)
		}
		if _, err := asyncfile.CopyFile(ctx, filepath.Join(dir, "dir"), dir); err == nil || !strings.HasSuffix(err.Error(), dir+": it is a directory") {
			t.Errorf("a copy of a directory: %v", err)
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no /proc: ", err)
		}
		for _, fd := range fds {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) {
				t.Errorf("%s is open", to)
			}
		}
	})
}
