//go:build linux

package epoll

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// file is a pipe or a terminal: a stream descriptor that is no socket.
type file struct {
	conn
	terminal bool
}

var _ driver.FileCopier = (*Driver)(nil)

// CopiesFiles implements [driver.FileCopier].
func (*Driver) CopiesFiles() {}

// OpenFile implements [driver.Driver].
func (d *Driver) OpenFile(f *os.File) (driver.Conn, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() || info.IsDir() {
		return nil, &os.PathError{Op: "open for waiting", Path: f.Name(), Err: errors.New("a regular file is always ready and cannot be waited for")}
	}
	fd, err := duplicate(f) // the original may be in Go's poller
	if err != nil {
		return nil, err
	}
	return &file{conn{d: d, fd: int32(fd)}, info.Mode()&os.ModeCharDevice != 0}, nil
}

// Read implements [driver.Conn]. A terminal whose other end is closed has an
// error for that.
func (f *file) Read(p []byte) (int, error) {
	if f.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := read(int(f.fd), p)
	switch {
	case err == nil && n == 0, err == unix.EIO && f.terminal:
		return 0, io.EOF
	case err != nil:
		return 0, failure("read", err)
	}
	return n, nil
}

// Write implements [driver.Conn].
func (f *file) Write(p []byte) (int, error) {
	if f.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := write(int(f.fd), p)
	return n, failure("write", err)
}

// CloseWrite implements [driver.Conn]. A pipe has one direction: to end it is to
// close it, and what was written is still read at the other end.
func (f *file) CloseWrite() error { return f.Close() }

// Reset implements [driver.Conn]. What a pipe holds cannot be taken back.
func (f *file) Reset() {}

func (f *file) LocalAddr() net.Addr { return nil }

// Close implements [driver.Conn].
func (f *file) Close() error {
	if f.fd < 0 {
		return net.ErrClosed
	}
	fd := int(f.fd)
	f.fd = -1
	f.d.unwatch(fd)
	return os.NewSyscallError("close", unix.Close(fd))
}
