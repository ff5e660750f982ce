package insightwire

import (
	"fmt"
	"os"
	"path/filepath"
)

// systemDirectory returns the directory by an environment: one in the user's profile,
// which Windows keeps from other users.
func systemDirectory(env func(string) string) string {
	if dir := env("LOCALAPPDATA"); dir != "" {
		return filepath.Join(dir, "asyncio")
	}
	return filepath.Join(os.TempDir(), "asyncio")
}

// CheckDirectory returns an error for what is no directory. Who may read it is in the
// access list that it has from the profile.
func CheckDirectory(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is %w: it is no directory", dir, ErrUnsafeDirectory)
	}
	return nil
}
