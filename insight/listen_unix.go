//go:build unix

package insight

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/sockopt"
)

// listen makes the socket of this process. It appears under its name when it already
// listens and has its mode, so nobody takes it for one that was left behind.
func listen(dir string) (net.Listener, string, error) {
	path := filepath.Join(dir, insightwire.SocketName(os.Getpid()))
	if err := removeStale(path); err != nil {
		return nil, "", err
	}
	made := filepath.Join(dir, fmt.Sprintf(".%d", os.Getpid()))
	_ = os.Remove(made) // of a process that had this number and died in this very place
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, "", err
	}
	l.SetUnlinkOnClose(false) // it has another name then, and Close removes that
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = os.Remove(made)
		_ = l.Close()
		return nil, "", err
	}
	return sameUser{l}, path, nil
}

// removeStale removes a socket at which nobody listens any more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket != 0 {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return fmt.Errorf("%s belongs to another process, which has this one's number in another container: give one of them another directory with %s",
				path, insightwire.DirectoryVariable)
		}
	}
	return os.Remove(path)
}

// sameUser accepts connections of this user's processes, and of root's. The directory's
// mode keeps the others out, too; but that may be changed by hand.
type sameUser struct{ *net.UnixListener }

// Accept waits for a connection of the right user, and closes all others.
func (l sameUser) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if permitted(c) {
			return c, nil
		}
		_ = c.Close()
	}
}

// permitted reports whether the peer may look. Where the system does not tell who
// it is, the directory's mode must do.
func permitted(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var peer sockopt.Credentials
	if cerr := raw.Control(func(fd uintptr) { peer, err = sockopt.PeerCredentials(fd) }); cerr != nil {
		return false
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return true
	}
	return err == nil && (peer.UID == os.Geteuid() || peer.UID == 0)
}

// listenerGuard wraps the handler where the listener alone does not tell who may ask.
func listenerGuard(_ net.Listener, h http.Handler) http.Handler { return h }
