//go:build linux

package epoll

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// node is a unix socket's node in the file system. A nil one is none.
type node struct {
	name string
	info os.FileInfo
}

// nodeOf returns the node that was made for addr, if that is the kind of address
// that has one.
func nodeOf(addr net.Addr) *node {
	a, ok := addr.(*net.UnixAddr)
	if !ok || a.Name == "" || a.Name[0] == '@' {
		return nil
	}
	info, err := os.Stat(a.Name)
	if err != nil {
		return nil
	}
	return &node{a.Name, info}
}

// remove removes the node, if it is still the same.
func (n *node) remove() {
	if n == nil {
		return
	}
	if now, err := os.Stat(n.name); err == nil && os.SameFile(now, n.info) {
		_ = os.Remove(n.name)
	}
}

// bind gives fd, a socket of the given kind, its address; that of a unix socket
// also when a node is in the way at which nobody is any more.
func bind(fd int, sa unix.Sockaddr, kind int) error {
	err := unix.Bind(fd, sa)
	local, ok := sa.(*unix.SockaddrUnix)
	if err != unix.EADDRINUSE || !ok {
		return err
	}
	probe, perr := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if perr != nil {
		return err
	}
	defer func() { _ = unix.Close(probe) }()
	if unix.Connect(probe, sa) != unix.ECONNREFUSED {
		return err
	}
	if info, serr := os.Lstat(local.Name); serr != nil || info.Mode()&os.ModeSocket == 0 || os.Remove(local.Name) != nil {
		return err
	}
	return unix.Bind(fd, sa)
}
