package sharedport

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen listens n times on the same address: the kernel deals the
// connections out.
func listen(network, address string, n int) ([]net.Listener, error) {
	if network == "unix" {
		return listenUnix(address, n)
	}
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			if err == nil {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // what is accepted has it then
			}
		}); cerr != nil {
			return cerr
		}
		return os.NewSyscallError("setsockopt", err)
	}}
	config.SetMultipathTCP(false)
	all := make([]net.Listener, 0, n)
	for range n {
		ln, err := config.Listen(context.Background(), network, address)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		address = ln.Addr().String() // of port 0, the one that was chosen
		all = append(all, ln)
	}
	return all, nil
}

// listenUnix returns n descriptors of one socket. Its node goes with the first.
func listenUnix(address string, n int) ([]net.Listener, error) {
	ln, err := net.Listen("unix", address)
	if err != nil {
		return nil, err
	}
	all := []net.Listener{ln}
	for len(all) < n {
		f, err := ln.(*net.UnixListener).File()
		var again net.Listener
		if err == nil {
			again, err = net.FileListener(f)
			_ = f.Close()
		}
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("listen on %s for several: %w", address, err)
		}
		all = append(all, again)
	}
	return all, nil
}
