package sim

import (
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Unix sockets are within a machine. One that has a name has a node on its disk, which
// outlives the program, and the machine; a name that begins with @ is abstract, and has
// none.

func abstract(name string) bool { return strings.HasPrefix(name, "@") }

// bindUnix gives a unix socket its name, in the place of a node that nobody has any more,
// and returns its node.
func (d *Driver) bindUnix(name string, socket any) (node any, err error) {
	disk := d.machine.Disk
	switch {
	case name == "":
		return nil, os.NewSyscallError("bind", syscall.EINVAL)
	case abstract(name):
		if node = name; d.unix[node] != nil {
			err = syscall.EADDRINUSE
		}
	case disk == nil:
		err = syscall.EROFS
	default:
		if node, err = disk.MakeSocket(name); err == syscall.EADDRINUSE {
			if dead, found := disk.FindSocket(name); found == nil && d.unix[dead] == nil {
				if err = disk.Remove(name); err == nil {
					node, err = disk.MakeSocket(name)
				}
			}
		}
	}
	if err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	d.unix[node] = socket
	return node, nil
}

// unbindUnix takes its name from a socket. A program that ends without having done so
// leaves the node behind.
func (d *Driver) unbindUnix(name string, node any) {
	delete(d.unix, node)
	if d.exited || abstract(name) {
		return
	}
	if there, err := d.machine.Disk.FindSocket(name); err == nil && there == node {
		_ = d.machine.Disk.Remove(name) // it is there
	}
}

// findUnix returns the socket that has a name.
func (d *Driver) findUnix(name string) (any, error) {
	node := any(name)
	switch {
	case abstract(name):
	case d.machine.Disk == nil:
		return nil, syscall.ENOENT
	default:
		var err error
		if node, err = d.machine.Disk.FindSocket(name); err != nil {
			return nil, err
		}
	}
	if s := d.unix[node]; s != nil {
		return s, nil
	}
	return nil, syscall.ECONNREFUSED
}

// dialUnix connects at once.
func (d *Driver) dialUnix(spec driver.DialSpec, to *net.UnixAddr, h driver.Handler) (driver.Conn, error) {
	if err := control(spec.Control, "unix", to); err != nil {
		return nil, err
	}
	found, err := d.findUnix(to.Name)
	if err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	l, ok := found.(*listener)
	switch {
	case !ok:
		return nil, os.NewSyscallError("connect", syscall.EPROTOTYPE)
	case len(l.waiting) >= l.backlog:
		return nil, os.NewSyscallError("connect", syscall.EAGAIN)
	}
	d.net.conns++
	c := &conn{id: d.net.conns, state: established, local: &net.UnixAddr{Net: "unix"}, remote: l.addr}
	p := &conn{id: c.id, state: established, local: l.addr, remote: &net.UnixAddr{Net: "unix"}, peer: c}
	c.peer = p
	d.addConn(c, h)
	d.net.world.Trace(Connect, d.machine.ID, c.id, 0)
	l.queue(p)
	c.tell(driver.Writable)
	return c, nil
}

var _ driver.PeerTeller = (*conn)(nil)

// PeerCredentials implements [driver.PeerTeller]. All programs of a world belong to the
// user who runs it, as package os tells them.
func (c *conn) PeerCredentials() (pid, uid, gid int) {
	return c.peer.d.PID, os.Getuid(), os.Getgid()
}
