package drivertest

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Machine is what tests need of the machine on which a driver's sockets are, beside the
// driver. A driver that implements it has one of its own; the others are on this one.
type Machine interface {
	// Pipe returns the ends of a pipe, not started.
	Pipe() (in, out driver.Conn, err error)
	// Nodes returns the file system in which the nodes of unix sockets are.
	Nodes() Nodes
	// Occupy has somebody else listen at a unix address, of the network "unix" or
	// "unixgram", until leave is called. The node stays then.
	Occupy(addr *net.UnixAddr) (leave func() error, err error)
	// HasIPv6 reports whether there is IPv6.
	HasIPv6() error
	// OpenDescriptors counts what the program has open.
	OpenDescriptors() (int, error)
	// LimitDescriptors makes it impossible to open anything more, until undo is called.
	LimitDescriptors() (undo func() error, err error)
	// Settle waits until what was sent has arrived, where that takes time.
	Settle()
}

// Nodes are the calls on files that tests of unix sockets make: those of package os.
type Nodes interface {
	MkdirTemp(dir, pattern string) (string, error)
	RemoveAll(path string) error
	Lstat(name string) (fs.FileInfo, error)
	WriteFile(name string, data []byte, perm fs.FileMode) error
	Rename(oldPath, newPath string) error
}

// thisMachine is the one that the tests run on.
type thisMachine struct{ d driver.Driver }

func (m thisMachine) Pipe() (in, out driver.Conn, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	in, err = m.d.OpenFile(r)
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	if out, err = m.d.OpenFile(w); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, out, nil
}

func (thisMachine) Nodes() Nodes { return osNodes{} }

func (thisMachine) Occupy(addr *net.UnixAddr) (leave func() error, err error) {
	if addr.Net == "unixgram" {
		c, err := net.ListenUnixgram("unixgram", addr)
		if err != nil {
			return nil, err
		}
		return c.Close, nil
	}
	ln, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	return ln.Close, nil
}

func (thisMachine) HasIPv6() error {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err
	}
	return ln.Close()
}

func (thisMachine) OpenDescriptors() (int, error) {
	if runtime.GOOS != "linux" {
		return 0, errors.New("descriptors can be counted on Linux only")
	}
	all, err := os.ReadDir("/proc/self/fd")
	return len(all), err
}

func (thisMachine) LimitDescriptors() (undo func() error, err error) {
	free, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	lowest := int(free.Fd())
	if err := free.Close(); err != nil {
		return nil, err
	}
	return limitDescriptors(lowest)
}

func (thisMachine) Settle() {}

type osNodes struct{}

func (osNodes) MkdirTemp(dir, pattern string) (string, error) { return os.MkdirTemp(dir, pattern) }
func (osNodes) RemoveAll(path string) error                   { return os.RemoveAll(path) }
func (osNodes) Lstat(name string) (fs.FileInfo, error)        { return os.Lstat(name) }
func (osNodes) Rename(oldPath, newPath string) error          { return os.Rename(oldPath, newPath) }
func (osNodes) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return os.WriteFile(name, data, perm)
}
