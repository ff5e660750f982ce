package look

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/sockopt"
)

// listsSockets is whether the directory of sockets is how processes are found. Here they
// are found in /proc: a process in a container has another directory, and another number.
const listsSockets = false

// eachProcess finds all processes in /proc that can be looked into.
func eachProcess(found map[int]*target) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if t, err := openProcess(pid); err == nil && t != nil {
			found[pid] = t
		}
	}
	return nil
}

// openProcess returns a process as a target, or nil when it has no socket.
func openProcess(pid int) (*target, error) {
	inner, uids, err := readStatus(pid)
	if err != nil {
		return nil, nil // it has ended
	}
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil // another user's, or a thread of the kernel
	}
	defer unix.Close(root)
	for _, dir := range directoriesOf(pid, uids) {
		t, err := openSocket(pid, root, filepath.Join(dir, insightwire.SocketName(inner)))
		if t != nil || err != nil && !errors.Is(err, errStale) {
			return t, err
		}
	}
	return nil, nil
}

// readStatus returns the number that a process has in its innermost container, and the
// users that it may be: its effective one here, and 0.
func readStatus(pid int) (inner int, uid string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, "", err
	}
	inner = pid
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 2 && fields[0] == "NSpid:":
			inner, err = strconv.Atoi(fields[len(fields)-1])
		case len(fields) >= 3 && fields[0] == "Uid:":
			uid = fields[2]
		}
	}
	return inner, uid, err
}

// directoriesOf returns where a process may have its socket, as it itself sees
// directories: what its environment says, or this one's.
func directoriesOf(pid int, uid string) (dirs []string) {
	env := make(map[string]string)
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	add := func(dir string) {
		if filepath.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	add(env[insightwire.DirectoryVariable])
	if dir := env["XDG_RUNTIME_DIR"]; dir != "" {
		add(filepath.Join(dir, "asyncio"))
	}
	tmp := env["TMPDIR"]
	if tmp == "" {
		tmp = "/tmp"
	}
	add(filepath.Join(tmp, "asyncio-"+uidInside(pid, uid)))
	if own, err := filepath.Abs(insightwire.Directory()); err == nil {
		add(own)
	}
	return dirs
}

// uidInside returns the number that a user has in the user namespace of a process.
func uidInside(pid int, uid string) string {
	n, err := strconv.Atoi(uid)
	text, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil || err2 != nil {
		return uid
	}
	for line := range strings.Lines(string(text)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && n >= outside && n-outside < count {
			return strconv.Itoa(inside + n - outside)
		}
	}
	return uid
}

// openSocket returns the process that listens at a path of another root directory, or
// nil when there is no socket or it is another process's.
//
// Nothing of what the process says is believed: the path is resolved in its own root, so
// that a symbolic link leads nowhere else, and who listens is asked of the system.
func openSocket(pid, root int, path string) (*target, error) {
	fd, err := unix.Openat2(root, strings.TrimPrefix(path, "/"), &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, nil
	}
	socket := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, socket.Close()
	}
	t := newTarget(pid, func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, socket, pid) }, func() { _ = socket.Close() })
	if err := t.try(); err != nil {
		if errors.Is(err, errAnother) {
			err = nil
		}
		return nil, err
	}
	return t, nil
}

// errAnother is the error for a socket of another process.
var errAnother = errors.New("another process listens there")

// dialSocket connects to an open socket, and looks whether the process listens there.
// That way the path may be longer than an address, too.
func dialSocket(ctx context.Context, socket *os.File, pid int) (net.Conn, error) {
	var d net.Dialer
	var c net.Conn
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	if cerr := raw.Control(func(fd uintptr) {
		c, err = d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	}); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, err
	}
	peer, err := peerOf(c.(*net.UnixConn))
	if err == nil && peer != pid {
		err = errAnother
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// peerOf returns the process that listens at the other end.
func peerOf(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer sockopt.Credentials
	if cerr := raw.Control(func(fd uintptr) { peer, err = sockopt.PeerCredentials(fd) }); cerr != nil {
		return 0, cerr
	}
	return peer.PID, err
}

// refused reports whether an error is that nobody listens.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// whyNot says why a process cannot be looked into.
func whyNot(pid int) string {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return "there is none of that number"
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Sprintf("it belongs to user %d: only that user and root may look into it", st.Uid)
	}
	return noWindow
}
