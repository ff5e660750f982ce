package sockopt

import (
	"os"

	"golang.org/x/sys/unix"
)

// PeerCredentials returns who is at the other end of the unix socket fd.
func PeerCredentials(fd uintptr) (Credentials, error) {
	c, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt", err)
	}
	return Credentials{PID: int(c.Pid), UID: int(c.Uid), GID: int(c.Gid)}, nil
}
