package driver

import (
	"net"
	"syscall"
)

// PacketSpec says what datagram socket to open. One of Local and Remote must be
// there; each is a *net.UDPAddr or a *net.UnixAddr.
type PacketSpec struct {
	Local     net.Addr // nil: any
	Remote    net.Addr // not nil: to send to this and to hear from no other
	V6Only    bool     // a wildcard IPv6 address takes no IPv4
	Broadcast bool     // sending to a broadcast address is allowed
	ReuseAddr bool     // each of several sockets at one address hears what is sent to a group
	ReusePort bool     // several sockets at one address, to which the system deals out (SO_REUSEPORT)
	Control   Control  // may be nil
}

// A PacketConn is a datagram socket.
//
// Both ReadFrom and WriteTo may give the error of something that was sent
// earlier: a peer has answered that nobody listens there. Such an error ends
// nothing, the next call may do better.
type PacketConn interface {
	// ReadFrom reads one datagram, and cuts off what p has no room for. from is
	// the remote address of a connected socket, and may be nil for a unix one
	// that has no name. It is not to be changed.
	ReadFrom(p []byte) (n int, from net.Addr, err error)
	// WriteTo writes one datagram, all of it or nothing. to is nil for the
	// remote address of a connected socket, and for no other.
	//
	// A unix socket that is not connected may give ErrWouldBlock because one
	// receiver has no room. No event may come when it has: try again later.
	WriteTo(p []byte, to net.Addr) (int, error)
	// Close lets go of the descriptor at once; no event comes after it. It
	// removes a unix socket's node, if it is still the one that was made.
	Close() error
	LocalAddr() net.Addr  // nil for a unix socket without a name
	RemoteAddr() net.Addr // nil when not connected
	// SyscallConn returns access to the descriptor.
	SyscallConn() (syscall.RawConn, error)
}

// A Datagram is one that was received, or is to be sent.
type Datagram struct {
	Data []byte
	Addr net.Addr // the sender or the receiver, as PacketConn has it
}

// A PacketBatcher is a PacketConn that reads and writes several datagrams in one
// call of the system's. What comes of them, and in which order, is what as many calls
// of ReadFrom and WriteTo would have led to. What is read by ReadBatch is not read by
// ReadFrom besides.
type PacketBatcher interface {
	PacketConn
	// ReadBatch reads some of the datagrams that have come, at least one. None is
	// cut. The batch is the caller's until its Release.
	ReadBatch() (*Batch, error)
	// WriteBatch writes the datagrams in their order until one fails, and returns
	// how many it has written. The error is that of the one after them.
	WriteBatch(ds []Datagram) (int, error)
}

// A Batch is datagrams that were read together.
type Batch struct {
	Datagrams []Datagram
	Drained   bool // nothing was left: an event follows when there is something
	Free      func()
}

// Release lets go of the batch and of its memory.
func (b *Batch) Release() { b.Free() }

// A Watcher is a Driver that can report events of descriptors which it does not
// own, by their number.
type Watcher interface {
	// Watch makes h be told of the events what of fd, at each Poll and Park
	// while there is something to tell; of no events, no more. A handler that
	// watches fd already is told of these events instead of those. It is
	// ErrInUse when fd has another handler. The watch must end before fd is
	// closed.
	Watch(fd uintptr, what Event, h Handler) error
	// Owns reports whether fd is the descriptor of one of the driver's own
	// handles.
	Owns(fd uintptr) bool
}
