package serve

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A cachedFiles opens and reads files below a directory, if the kernel has in memory
// what it takes.
type cachedFiles struct{ dir *os.File }

// newCachedFiles returns nil where the kernel does not tell (it does from Linux 5.12
// on), and for file systems that may ask somebody else: opening a file of those
// waits, whatever is in memory.
func newCachedFiles(root *os.Root) *cachedFiles {
	dir, err := root.Open(".")
	if err != nil {
		return nil
	}
	c := &cachedFiles{dir}
	var st unix.Statfs_t
	err = c.control(dir, func(fd int) error { return unix.Fstatfs(fd, &st) })
	if err == nil && slices.Contains(localFileSystems, uint32(st.Type)) {
		var f *os.File
		if f, err = c.open("."); err == nil {
			_ = f.Close()
		}
		if err == nil || err == unix.EAGAIN {
			return c
		}
	}
	_ = dir.Close()
	return nil
}

var localFileSystems = []uint32{
	unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
}

// resolveCached is RESOLVE_CACHED of openat2(2), which x/sys does not have.
const resolveCached = 0x20

// open opens a file that is below the directory, in the same file system, as os.Root
// does; it fails with EAGAIN where that would wait for the disk.
func (c *cachedFiles) open(name string) (f *os.File, err error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | openFlags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV | resolveCached,
	}
	err = c.control(c.dir, func(dir int) error {
		fd, err := unix.Openat2(dir, name, &how)
		if err == nil {
			f = os.NewFile(uintptr(fd), name[strings.LastIndexByte(name, '/')+1:])
		}
		return err
	})
	return f, err
}

// read fills p with the beginning of a file, or fails with errWouldWait.
func (c *cachedFiles) read(f *os.File, p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = c.control(f, func(fd int) (err error) {
		n, err = unix.Preadv2(fd, [][]byte{p}, 0, unix.RWF_NOWAIT)
		return err
	})
	if err == nil && n < len(p) { // at the end, or where the rest is not in memory
		err = errWouldWait
	}
	return max(n, 0), err
}

// control calls fn with the descriptor of f.
func (c *cachedFiles) control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = fn(int(fd)) })
	if cerr != nil {
		return cerr
	}
	return err
}

// Close lets go of the directory.
func (c *cachedFiles) Close() error { return c.dir.Close() }
