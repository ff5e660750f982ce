//go:build linux

package epoll

import (
	"encoding/binary"
	"net"
	"slices"

	"golang.org/x/sys/unix"
)

// A peer is the address of an accepted connection's other end, in little room:
// there may be very many of them, and few are asked for.
type peer struct {
	ip     [16]byte // of IPv4 the first four bytes
	zone   uint32
	port   uint16
	family uint16 // zero: there is no such address
}

// addr returns Go's form of the address; nil when there is none.
func (p *peer) addr() net.Addr {
	switch p.family {
	case unix.AF_INET:
		return &net.TCPAddr{IP: slices.Clone(p.ip[:4]), Port: int(p.port)}
	case unix.AF_INET6:
		return &net.TCPAddr{IP: slices.Clone(p.ip[:]), Port: int(p.port), Zone: zoneName(p.zone)}
	}
	return nil
}

// A rawPeer is such an address as the kernel gives it: a sockaddr_in or a
// sockaddr_in6.
type rawPeer [unix.SizeofSockaddrInet6]byte

func (r *rawPeer) parse() peer {
	p := peer{family: binary.NativeEndian.Uint16(r[:]), port: binary.BigEndian.Uint16(r[2:])}
	if p.family == unix.AF_INET6 {
		copy(p.ip[:], r[8:])
		p.zone = binary.NativeEndian.Uint32(r[24:])
	} else {
		copy(p.ip[:4], r[4:])
	}
	return p
}
