package simdisk

import (
	"io/fs"
	"syscall"
)

// MakeSocket makes the node of a unix socket, and returns what tells it from all others,
// also under another name. Its errors are those of bind(2).
func (d *Disk) MakeSocket(name string) (node any, err error) {
	switch _, err := d.find(name); err {
	case nil:
		return nil, syscall.EADDRINUSE
	case syscall.ENOENT:
	default:
		return nil, err
	}
	n, err := d.create(name, fs.ModeSocket|0o755)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// FindSocket returns the node of a unix socket by its name. Its errors are those of
// connect(2).
func (d *Disk) FindSocket(name string) (node any, err error) {
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	if n.mode&fs.ModeSocket == 0 {
		return nil, syscall.ECONNREFUSED
	}
	return n, nil
}
