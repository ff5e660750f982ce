package asyncio

import (
	"errors"
	"fmt"
	"net"
)

// peerCredentials asks the system who the peer of a unix socket is.
func (s *socket) peerCredentials() (*Credentials, error) {
	if _, ok := s.conn.RemoteAddr().(*net.UnixAddr); !ok {
		return nil, fmt.Errorf("peer credentials of a connection that is no unix socket: %w", errors.ErrUnsupported)
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("peer credentials: %w", err)
	}
	var c *Credentials
	if cerr := raw.Control(func(fd uintptr) { c, err = credentialsOf(fd) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("peer credentials: %w", err)
	}
	return c, nil
}
