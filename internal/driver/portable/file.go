package portable

import (
	"errors"
	"net"
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// fileConn makes a file a net.Conn.
type fileConn struct{ *os.File }

func (fileConn) LocalAddr() net.Addr  { return nil }
func (fileConn) RemoteAddr() net.Addr { return nil }

// CloseWrite closes the file: a pipe has one direction.
func (f fileConn) CloseWrite() error { return f.Close() }

// OpenFile implements [driver.Driver].
func (d *Driver) OpenFile(f *os.File) (driver.Conn, error) {
	info, err := f.Stat()
	if err == nil && (info.Mode().IsRegular() || info.IsDir()) {
		err = &os.PathError{Op: "open for waiting", Path: f.Name(), Err: errors.New("a regular file is always ready and cannot be waited for")}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return d.fromConn(fileConn{f}), nil
}
