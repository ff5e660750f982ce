package insightwire

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DirectoryVariable is the environment variable that names another directory.
const DirectoryVariable = "ASYNCIO_INSIGHT_DIR"

// suffix ends the names of the files by which processes are found.
const suffix = ".sock"

// SocketName returns the name of the socket of a process.
func SocketName(pid int) string { return strconv.Itoa(pid) + suffix }

// ParseSocketName returns the process to which a socket belongs by its name.
func ParseSocketName(name string) (pid int, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	pid, err := strconv.Atoi(digits)
	return pid, err == nil && pid > 0 && digits == strconv.Itoa(pid)
}

// ErrUnsafeDirectory is the error for a directory that others could have their
// hands in.
var ErrUnsafeDirectory = errors.New("not a directory of this user alone")

// Directory returns where the processes of this user have their sockets.
func Directory() string {
	if dir := os.Getenv(DirectoryVariable); dir != "" {
		return dir
	}
	return systemDirectory(os.Getenv)
}

// MakeDirectory makes the directory if it is not there, and returns an error for one
// that is not this user's alone.
func MakeDirectory(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return CheckDirectory(dir)
}

// A Loopback is what stands in the file of a process where there is no unix socket.
type Loopback struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}
