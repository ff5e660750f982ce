package portable

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// checkBacklog checks what the kernel says of it.
func checkBacklog(t *testing.T, ln net.Listener, want uint32) {
	t.Helper()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Sacked != want {
			t.Errorf("the backlog is %v, %v", info, err)
		}
	})
}
