//go:build unix

package asyncfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// describe returns what a read has returned, in one line.
func describe(data []byte, err error) string {
	var p *fs.PathError
	return fmt.Sprintf("%d bytes %.20q, %v, %t", len(data), data, err, errors.As(err, &p))
}

func TestReadFileIsThatOfOS(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		path := func(name string) string { return filepath.Join(dir, name) }
		all := []string{"", "a\x00b", dir, path("missing"), path("missing/f"), path("link"), path("loop"), path("linkdir"), path("hole"), "/dev/null", "/proc/version"}
		for _, n := range []int{0, 1, 511, 512, 513, 1 << 20} {
			name := path(fmt.Sprint(n))
			ok(t, os.WriteFile(name, bytes.Repeat([]byte{'x'}, n), 0o600))
			all = append(all, name, name+"/f")
		}
		ok(t, os.Symlink("513", path("link")), os.Symlink("loop", path("loop")), os.Symlink(".", path("linkdir")))
		ok(t, os.WriteFile(path("hole"), nil, 0o600), os.Truncate(path("hole"), 5000))
		for _, name := range all {
			if got, want := describe(asyncfile.ReadFile(ctx, name)), describe(os.ReadFile(name)); got != want {
				t.Errorf("ReadFile of %q: %s; package os: %s", name, got, want)
			}
		}
	})
}

func TestReadFileReadsAPipeToItsEnd(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name, wrote := filepath.Join(dir, "pipe"), make(chan error, 1)
		ok(t, syscall.Mkfifo(name, 0o600))
		go func() { wrote <- os.WriteFile(name, bytes.Repeat([]byte("x"), 100_000), 0) }()
		if got, err := asyncfile.ReadFile(ctx, name); len(got) != 100_000 || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		_, err := asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), wrote).Await(ctx)
		ok(t, err)
	})
}

func TestWriteFileIsThatOfOS(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		ok(t, os.Symlink("missing/f", filepath.Join(dir, "link")))
		for _, test := range []struct {
			name string
			size int
			perm fs.FileMode
		}{
			{"f", 5, 0o640}, {"f", 1 << 20, 0o600}, {"f", 3, 0o600}, {"f", 0, 0o600},
			{"shared", 5, 0o777}, {"sticky", 5, 0o600 | fs.ModeSticky}, {"nobody", 5, 0}, {"nobody", 6, 0},
			{"", 1, 0o600}, {".", 1, 0o600}, {"missing/f", 1, 0o600}, {"f/f", 1, 0o600}, {"link", 1, 0o600}, {"a\x00b", 1, 0o600},
		} {
			var got [2]string
			for i, write := range []func(name string, data []byte, perm fs.FileMode) error{
				os.WriteFile,
				func(name string, data []byte, perm fs.FileMode) error {
					return asyncfile.WriteFile(ctx, name, data, perm)
				},
			} {
				sub := filepath.Join(dir, "both")
				name := filepath.Join(sub, test.name)
				ok(t, os.MkdirAll(sub, 0o700))
				if test.size < 5 && test.name == "f" { // over what is longer
					ok(t, os.WriteFile(name, []byte("0123456789"), 0o600))
				}
				err := write(name, bytes.Repeat([]byte("y"), test.size), test.perm)
				data, _ := os.ReadFile(name)
				info, statErr := os.Stat(name)
				got[i] = describe(data, err)
				if statErr == nil {
					got[i] += info.Mode().String()
				}
				ok(t, os.RemoveAll(sub))
			}
			if got[0] != got[1] {
				t.Errorf("WriteFile of %+v: %s; package os: %s", test, got[1], got[0])
			}
		}
	})
}
