package portable

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// fileConn makes a file a net.Conn.
type fileConn struct {
	*os.File
	terminal  bool
	writeOnly bool // where the system tells
}

// Read reads. A terminal whose other end is closed has an error for that.
func (f fileConn) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if f.terminal && errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

func (fileConn) LocalAddr() net.Addr  { return nil }
func (fileConn) RemoteAddr() net.Addr { return nil }

// CloseWrite closes the file: a pipe has one direction.
func (f fileConn) CloseWrite() error { return f.Close() }

// OpenFile implements [driver.Driver].
func (d *Driver) OpenFile(f *os.File) (driver.Conn, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Mode().IsRegular() || info.IsDir():
		err = &os.PathError{Op: "open for waiting", Path: f.Name(), Err: errors.New("a regular file is always ready and cannot be waited for")}
	case isNull(info): // as epoll refuses it
		err = &os.PathError{Op: "open for waiting", Path: f.Name(), Err: errors.New("what is always ready, as " + os.DevNull + " is, cannot be waited for")}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	file := fileConn{File: f, terminal: info.Mode()&os.ModeCharDevice != 0}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { file.writeOnly = writeOnly(fd) })
	}
	return d.fromConn(file), nil
}

// isNull reports whether a file is the one that is always empty.
func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// watchReader starts a goroutine that waits until nobody will read from the pipe
// any more. Go's poller tells that of a writing end as if there were something to
// read.
func (c *conn) watchReader(f fileConn) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	c.d.work.Go(func() {
		if raw.Read(readerGone) == nil {
			c.post(driver.Hangup)
		}
	})
}
