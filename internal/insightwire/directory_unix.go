//go:build unix

package insightwire

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// systemDirectory returns the directory by an environment. XDG_RUNTIME_DIR counts
// only when it is this user's: sudo may pass on that of another.
func systemDirectory(env func(string) string) string {
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		if info, err := os.Stat(dir); err == nil && owner(info) == os.Geteuid() {
			return filepath.Join(dir, "asyncio")
		}
	}
	tmp := env("TMPDIR")
	if tmp == "" {
		tmp = "/tmp"
	}
	return filepath.Join(tmp, "asyncio-"+strconv.Itoa(os.Geteuid()))
}

// CheckDirectory returns an error for a directory that is not this user's alone, or
// is a symbolic link.
func CheckDirectory(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is %w: it is no directory", dir, ErrUnsafeDirectory)
	case owner(info) != os.Geteuid():
		return fmt.Errorf("%s is %w: it belongs to user %d", dir, ErrUnsafeDirectory, owner(info))
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is %w: its mode is %04o and must be 0700", dir, ErrUnsafeDirectory, info.Mode().Perm())
	}
	return nil
}

// owner returns the user to whom a file belongs, or -1.
func owner(info os.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
