package asyncio

import (
	"errors"
	"fmt"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/sockopt"
)

// peerCredentials asks the system who the peer of a unix socket is.
func (s *socket) peerCredentials() (*Credentials, error) {
	if _, ok := s.conn.RemoteAddr().(*net.UnixAddr); !ok {
		return nil, fmt.Errorf("peer credentials of a connection that is no unix socket: %w", errors.ErrUnsupported)
	}
	if own, ok := s.conn.(driver.PeerTeller); ok {
		pid, uid, gid := own.PeerCredentials()
		return &Credentials{PID: pid, UID: uid, GID: gid}, nil
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("peer credentials: %w", err)
	}
	var c sockopt.Credentials
	if cerr := raw.Control(func(fd uintptr) { c, err = sockopt.PeerCredentials(fd) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("peer credentials: %w", err)
	}
	return (*Credentials)(&c), nil
}

// Credentials are those that a process had when it connected or listened.
type Credentials struct {
	PID int // the process; 0 where the system does not tell
	UID int // its effective user
	GID int // its effective group
}
