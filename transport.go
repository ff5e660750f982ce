package asyncio

import (
	"crypto/tls"
	"net"
	"syscall"
)

// A Transport is a connection as its [Protocol] sees it. All methods are for
// the loop's goroutine, in a callback or a task; none of them waits, and none
// calls the protocol: what follows from them is told in a later turn. Python:
// Transport.
type Transport interface {
	// Write writes p, as [io.Writer] says. What the kernel does not take at
	// once is copied and queued. It never waits; PauseWriting asks to stop.
	// After Close, or when the connection is broken, it is an error. Python:
	// write.
	Write(p []byte) (int, error)
	// WriteLines writes several slices, with one system call where that can
	// be. Python: writelines.
	WriteLines(bufs ...[]byte) (int, error)
	// WriteEOF ends the half that is written, after what was. The peer reads
	// the end, and can still send. Over TLS that is a close_notify. Python:
	// write_eof.
	WriteEOF() error
	// CanWriteEOF reports whether the transport has halves to be ended apart.
	// Python: can_write_eof.
	CanWriteEOF() bool

	// Close stops reading and closes the connection after what was written.
	// ConnectionLost follows, with nil. Closing twice does nothing. Python:
	// close.
	Close()
	// Abort closes the connection at once and drops what was not sent.
	// ConnectionLost follows, with nil. Python: abort.
	Abort()
	// IsClosing reports whether the connection is closed or closes. Python:
	// is_closing.
	IsClosing() bool

	// PauseReading makes the loop read no more: no DataReceived follows until
	// ResumeReading, and the peer is held up. Doing it twice does nothing.
	// Python: pause_reading.
	PauseReading()
	// ResumeReading takes PauseReading back. Python: resume_reading.
	ResumeReading()
	// IsReading reports whether data is received. Python: is_reading.
	IsReading() bool

	// SetProtocol makes p be told what follows. Python: set_protocol.
	SetProtocol(p Protocol)
	// Protocol returns the protocol. Python: get_protocol.
	Protocol() Protocol

	// SetWriteBufferLimits sets the water marks, in bytes. A negative high is
	// four times low, or 64 KiB when low is negative too; a negative low is a
	// quarter of high. With a high of zero each byte that is queued pauses.
	// Python: set_write_buffer_limits.
	SetWriteBufferLimits(low, high int)
	// WriteBufferLimits returns the water marks. Python:
	// get_write_buffer_limits.
	WriteBufferLimits() (low, high int)
	// WriteBufferSize returns the number of bytes that are queued; over TLS,
	// encrypted ones. Python: get_write_buffer_size.
	WriteBufferSize() int

	// LocalAddr returns this side's address. Python: get_extra_info('sockname').
	LocalAddr() net.Addr
	// RemoteAddr returns the peer's address. Python: get_extra_info('peername').
	RemoteAddr() net.Addr
	// ConnectionState returns what the TLS handshake has agreed on; nil without
	// TLS. Python: get_extra_info('ssl_object'), 'peercert', 'cipher'.
	ConnectionState() *tls.ConnectionState
	// SyscallConn gives access to the descriptor, for options of the system's.
	// It is not to be read from, written to or closed. Python:
	// get_extra_info('socket').
	SyscallConn() (syscall.RawConn, error)
	// PeerCredentials says which process connected, on a unix socket, where
	// the system tells; elsewhere [errors.ErrUnsupported]. Python: getsockopt
	// with SO_PEERCRED on get_extra_info('socket').
	PeerCredentials() (*Credentials, error)
	// Loop returns the transport's loop.
	Loop() *Loop
}
