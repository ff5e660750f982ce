package asyncio

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// The functions of this file are for sockets that no transport and no stream is
// made for: raw ones, netlink, vsock, a protocol of one's own over UDP. They
// take a [syscall.Conn] and not a number: all of net's sockets are one, and
// [os.NewFile] makes one of a number. It keeps the descriptor open while it is
// used, tells when it was closed, and cannot by mistake be a number that has
// gone to somebody else.
//
// They work where the loop can watch a descriptor (see [Loop.AddReader]). One
// task at a time may wait to read from a descriptor and one to write; another
// gets [ErrDescriptorInUse]. Cancelling the task ends the wait and leaves no
// watch behind. Closing the socket does not end it.

// A Socket is a connection with a descriptor of its own: a [*net.TCPConn] or a
// [*net.UnixConn].
type Socket interface {
	net.Conn
	syscall.Conn
}

// sock calls attempt with the descriptor of c, again each time that it is
// ready, until that is not driver.ErrWouldBlock.
func (l *Loop) sock(ctx context.Context, c syscall.Conn, op string, writing bool, attempt func(fd uintptr) error) error {
	t, level, err := l.enter(ctx)
	if err != nil {
		return err
	}
	if err := l.sockWait(t, level, c, writing, attempt); err != nil {
		if readEnd(err) {
			return err
		}
		return fmt.Errorf("asyncio: %s: %w", op, err)
	}
	return nil
}

func (l *Loop) sockWait(t *task, level context.Context, c syscall.Conn, writing bool, attempt func(fd uintptr) error) error {
	if _, err := l.watcher(); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var fd uintptr
		cerr := raw.Control(func(n uintptr) {
			fd = n
			if d := descriptorsOf(l).watched[n]; d != nil && (*d.side(writing)).inUse() {
				err = ErrDescriptorInUse
			} else {
				err = attempt(n)
			}
		})
		if cerr != nil {
			return cerr
		}
		switch err {
		case driver.ErrWouldBlock:
			err = l.awaitDescriptor(t, level, fd, writing)
		case errBacklogFull:
			err = t.sleep(unixRetry, level)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
}

// SockRecv receives at most max bytes from the socket c, in a new slice; from a
// datagram socket, one datagram. At the end of a stream it returns [io.EOF]. It is
// for a task of the loop. Python: loop.sock_recv.
func (l *Loop) SockRecv(ctx context.Context, c syscall.Conn, max int) ([]byte, error) {
	p := make([]byte, max)
	n, err := l.SockRecvInto(ctx, c, p)
	if err != nil {
		return nil, err
	}
	return p[:n], nil
}

// SockRecvInto is [Loop.SockRecv] into p. Python: loop.sock_recv_into.
func (l *Loop) SockRecvInto(ctx context.Context, c syscall.Conn, p []byte) (n int, err error) {
	err = l.sock(ctx, c, "sock recv", false, func(fd uintptr) (err error) {
		n, _, err = sockRecv(fd, p, false)
		return err
	})
	return n, err
}

// SockRecvfrom receives one datagram from the socket c into p, and returns its
// sender, or nil when that has no name. It is for a task of the loop. Python:
// loop.sock_recvfrom, loop.sock_recvfrom_into.
func (l *Loop) SockRecvfrom(ctx context.Context, c syscall.Conn, p []byte) (n int, from net.Addr, err error) {
	err = l.sock(ctx, c, "sock recvfrom", false, func(fd uintptr) (err error) {
		n, from, err = sockRecv(fd, p, true)
		return err
	})
	return n, from, err
}

// SockSendall sends all of p on the socket c. With an error it returns the number
// of bytes that were sent before. It is for a task of the loop. Python:
// loop.sock_sendall.
func (l *Loop) SockSendall(ctx context.Context, c syscall.Conn, p []byte) (n int, err error) {
	err = l.sock(ctx, c, "sock sendall", true, func(fd uintptr) error {
		for {
			sent, err := sockSend(fd, p[n:])
			n += sent
			if err != nil || n == len(p) {
				return err
			}
		}
	})
	return n, err
}

// SockSendto sends p as one datagram from the socket c to the address, and waits
// until there is room for it. It is for a task of the loop. Python:
// loop.sock_sendto.
func (l *Loop) SockSendto(ctx context.Context, c syscall.Conn, p []byte, to net.Addr) error {
	return l.sock(ctx, c, "sock sendto", true, func(fd uintptr) error {
		return sockSendto(fd, p, to)
	})
}

// SockSendfile sends count bytes of the file f from offset on, or up to its end
// when there are fewer or count is negative, on the socket c, and returns how many
// it has sent. The kernel copies them. The file's own position is neither used
// nor moved. It is for a task of the loop. Python: loop.sock_sendfile.
func (l *Loop) SockSendfile(ctx context.Context, c syscall.Conn, f *os.File, offset, count int64) (sent int64, err error) {
	count, err = checkFile(f, offset, count)
	if err != nil {
		return 0, fmt.Errorf("asyncio: sock sendfile: %w", err)
	}
	err = l.sock(ctx, c, "sock sendfile", true, func(fd uintptr) error {
		for budget := int64(sendfileAtOnce); sent < count; {
			if budget <= 0 {
				return driver.ErrWouldBlock // others have their turn
			}
			n, err := sockSendfile(fd, f, offset+sent, int(min(count-sent, budget)))
			if err != nil || n == 0 {
				return err
			}
			sent += int64(n)
			budget -= int64(n)
		}
		return nil
	})
	return sent, err
}

// SockConnect connects the socket c, which must not block, to the address, a
// *net.TCPAddr, *net.UDPAddr or *net.UnixAddr. When the wait is interrupted the
// socket goes on to connect: close it. It is for a task of the loop. Python:
// loop.sock_connect.
func (l *Loop) SockConnect(ctx context.Context, c syscall.Conn, to net.Addr) error {
	started := false
	return l.sock(ctx, c, "sock connect", true, func(fd uintptr) error {
		if started {
			return sockConnected(fd)
		}
		err := sockConnect(fd, to)
		started = err == driver.ErrWouldBlock
		return err
	})
}

// SockAccept accepts a connection from the listening socket c, which must not
// block. The connection is the caller's. It is for a task of the loop. Python:
// loop.sock_accept.
func (l *Loop) SockAccept(ctx context.Context, c syscall.Conn) (conn Socket, err error) {
	err = l.sock(ctx, c, "sock accept", false, func(fd uintptr) (err error) {
		conn, err = sockAccept(fd)
		return err
	})
	return conn, err
}
