// Package driver is the one boundary between the loop and the operating
// system. A driver waits, tells the time, and owns descriptors; the loop and
// all above it see only what is here.
//
// What a driver reports is what happened to a handle, not how it came to know.
// So readiness (epoll), goroutines that block (portable) and a simulation all
// fit behind the same calls, which never block:
//
//   - Read, Write and Accept do what can be done at once, and give
//     [ErrWouldBlock] when that is nothing;
//   - after that, or after a call that did less than was asked of it, the
//     handle's [Handler] is told as soon as more can be done, once. A driver
//     may tell it more often than that; a handler takes an event as a hint.
//
// All methods are for the goroutine that runs the loop, but for Wake.
package driver

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Forever is a time that never comes.
const Forever time.Duration = math.MaxInt64

// ErrWouldBlock says that nothing could be done now, and that an event will
// follow when something can.
var ErrWouldBlock = errors.New("driver: would block")

// ErrInUse says that a descriptor is one of the driver's own handles, or
// watched for somebody else.
var ErrInUse = errors.New("driver: the descriptor has a handler already")

// ErrIdle is what Park of a virtual clock returns when it would wait for ever
// and nobody outside could end that.
var ErrIdle = errors.New("driver: nothing can happen any more")

// An Event says what happened to a handle. Several may come together.
type Event uint8

const (
	Readable Event = 1 << iota // there is something to read or to accept, or the end of it
	Writable                   // there is room again, or a connect has ended
	Hangup                     // the peer has ended its half, or the handle has failed: read until the end, a short read is not yet it
)

// A Handler is told of the events of one handle. It is called on the loop's
// goroutine, inside Poll or Park, and must only take note.
type Handler interface{ Ready(Event) }

// A Clock tells the time and waits.
type Clock interface {
	// Now is the time since the clock was made. It never goes back.
	Now() time.Duration
	// Park waits until something happens, the time is until, or Wake is
	// called; and reports what has happened. Once it has announced that it
	// sleeps, it asks pending, and returns at once when that is true: so a
	// Wake from then on ends the wait, and what came before it is not lost.
	Park(until time.Duration, pending func() bool) error
}

// A Driver is what a loop stands on.
type Driver interface {
	Clock
	// Name says which driver it is, for messages.
	Name() string
	// Poll reports what has happened, without waiting.
	Poll() error
	// Wake ends a Park that is under way. It may be called from any
	// goroutine, and costs next to nothing when nobody sleeps. It may be
	// called after Close.
	Wake()
	// Handles counts what is open and may have something to report.
	Handles() int
	// Close lets go of everything. Handles must be closed before.
	Close() error

	// Dial begins to connect. The result of it comes as a Writable event,
	// after which ConnectError says how it went. A unix address may be
	// connected at once; the event comes all the same.
	Dial(spec DialSpec, h Handler) (Conn, error)
	// Listen binds and listens.
	Listen(spec ListenSpec, h Handler) (Listener, error)
	// OpenFile takes over a pipe, a terminal or whatever else can be waited
	// for: f belongs to the driver from now on, also when that fails, and must
	// not be used any more. A regular file, which cannot, is an error. Begin to
	// report with Start. Its addresses are nil; CloseWrite closes it.
	OpenFile(f *os.File) (Conn, error)
	// FromConn takes over an existing connection: it belongs to the driver
	// from now on, also when that fails. Which kinds it can is the driver's
	// affair; others are [errors.ErrUnsupported]. Begin to report with Start.
	FromConn(nc net.Conn) (Conn, error)
	// FromListener takes over an existing listener, likewise.
	FromListener(ln net.Listener, h Handler) (Listener, error)

	// OpenPacket opens a datagram socket.
	OpenPacket(spec PacketSpec, h Handler) (PacketConn, error)
	// FromPacket takes over an existing datagram socket, as FromConn does.
	FromPacket(pc net.PacketConn, h Handler) (PacketConn, error)
}

// Control is called with a new descriptor before it is bound or connected. The
// network says the family: "tcp4", "tcp6", "udp4", "udp6", "unix", "unixgram".
type Control func(network, address string, c syscall.RawConn) error

// DialSpec says whither to connect.
type DialSpec struct {
	Remote  net.Addr // *net.TCPAddr or *net.UnixAddr
	Local   net.Addr // nil: any
	Control Control  // may be nil
}

// ListenSpec says where to listen.
type ListenSpec struct {
	Addr      net.Addr // *net.TCPAddr or *net.UnixAddr
	Backlog   int      // 0: the system's most
	ReusePort bool     // several listeners on one port (SO_REUSEPORT)
	V6Only    bool     // a wildcard IPv6 address takes no IPv4
	Control   Control  // may be nil
}

// DiscardLimit is how many bytes Discard reads, so that a peer that sends without
// end holds nobody up.
const DiscardLimit = 1 << 20

// A Conn is a connected (or connecting) stream descriptor.
type Conn interface {
	// Start names the handler of an accepted connection, and begins to report.
	// On one that was dialled it puts h in the place of the handler there was.
	Start(h Handler) error
	// ConnectError says, after the Writable event of a dialled connection,
	// how connecting ended; ErrWouldBlock while it goes on.
	ConnectError() error
	// Read returns io.EOF at the end.
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// Writev writes several slices as one. It does not change them.
	Writev(p [][]byte) (int, error)
	// CloseWrite ends this side's half, after what Write has taken. To do it
	// again does nothing, also when the peer has gone meanwhile.
	CloseWrite() error
	// Close lets go of the descriptor at once; no event comes after it. What
	// Write has taken is still sent by the system, unless Reset was called.
	Close() error
	// Reset makes Close drop what is not sent yet and tell the peer (RST).
	Reset()
	// Discard reads away, into buf, what has come and was not read, though no
	// more than DiscardLimit. The system answers a Close before all is read with
	// a reset, and drops what it had still to send.
	Discard(buf []byte)
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	// SyscallConn returns access to the descriptor.
	SyscallConn() (syscall.RawConn, error)
}

// A FileSender is a Conn to which the kernel can copy a file.
type FileSender interface {
	// SendFile sends up to n bytes of f from offset on. It returns 0 and no
	// error at the file's end, and ErrWouldBlock as Write does. An error that
	// is [errors.ErrUnsupported] says that f must be read and written.
	SendFile(f *os.File, offset int64, n int) (int, error)
}

// A Listener is a listening descriptor.
type Listener interface {
	// Accept returns the next connection, or ErrWouldBlock. Its handler is
	// named with Start.
	Accept() (Conn, error)
	// Close lets go of the descriptor at once; no event comes after it. It
	// removes a unix socket's node from the file system, if it is still the one
	// that Listen made.
	Close() error
	Addr() net.Addr
	SyscallConn() (syscall.RawConn, error)
}

// A Sleeper is the part of Park and Wake that loses no wake-up; drivers embed
// one. The sleeper announces, then looks whether it has to sleep at all; a
// waker makes its news visible first and claims then. Whoever comes second
// sees the other.
type Sleeper struct{ state atomic.Int32 }

const (
	awake   = 0
	asleep  = 1
	claimed = 2 // one waker has seen it asleep and will end the sleep
)

// Announce says that the loop is about to sleep.
func (s *Sleeper) Announce() { s.state.Store(asleep) }

// Awake says that the loop does not sleep (any more), and reports whether a
// waker had claimed it: its kick has come, or will.
func (s *Sleeper) Awake() (kicked bool) { return s.state.Swap(awake) == claimed }

// Claim is for wakers: it reports whether the caller must end the sleep.
func (s *Sleeper) Claim() bool { return s.state.CompareAndSwap(asleep, claimed) }
