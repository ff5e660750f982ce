//go:build !linux

package look

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// listsSockets is whether the directory of sockets is how processes are found.
const listsSockets = true

func eachProcess(map[int]*target) error { return nil }

// openProcess returns a process as a target, or nil when it has no socket.
func openProcess(pid int) (*target, error) {
	path := filepath.Join(insightwire.Directory(), insightwire.SocketName(pid))
	t, err := socketTarget(pid, path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case errors.Is(err, errStale):
		_ = os.Remove(path)
		return nil, nil
	}
	return t, err
}

// refused reports whether an error is that nobody listens.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "refused")
}

// whyNot says why a process cannot be looked into.
func whyNot(int) string { return noWindow }
