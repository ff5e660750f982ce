package sockopt

import (
	"os"

	"golang.org/x/sys/unix"
)

// PeerCredentials returns who is at the other end of the unix socket fd.
func PeerCredentials(fd uintptr) (Credentials, error) {
	c, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt", err)
	}
	pid, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt", err)
	}
	return Credentials{PID: pid, UID: int(c.Uid), GID: int(c.Groups[0])}, nil
}
