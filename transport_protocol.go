package asyncio

import (
	"fmt"
	"runtime/debug"
)

// A Protocol is told what happens to a connection. One is made for each, by
// the factory that [Loop.CreateConnection] or [Loop.CreateServer] was given.
// Python: Protocol.
//
// The loop calls it in this order, always from its ready queue, on its
// goroutine, one call at a time, and never inside a call of the transport's:
//
//	ConnectionMade
//	      │
//	      ▼
//	DataReceived ◀──┐   any number of times, with PauseWriting and
//	      │ ────────┘   ResumeWriting in turn at any place between
//	      ▼
//	EOFReceived         at most once; no data comes after it
//	      │
//	      ▼
//	ConnectionLost      exactly once if ConnectionMade was called, and the last
//
// In debug mode each call is held against that order before it is made.
//
// The methods must not wait: they run in no task. What has to wait is given to
// one, with [CreateTaskOn]. A method that panics ends its connection, and no
// other: ConnectionLost is given the [*PanicError], and so is the loop's
// exception handler.
type Protocol interface {
	// ConnectionMade is called when the connection stands, over TLS when the
	// handshake is done. Python: connection_made.
	ConnectionMade(t Transport)
	// DataReceived is called with what has come. The slice belongs to the loop
	// and is valid during the call; an idle connection owns no buffer. Python:
	// data_received.
	DataReceived(data []byte)
	// EOFReceived is called when the peer has ended its half. When it says
	// true the transport stays open for writing; otherwise it closes after
	// what was written. Python: eof_received.
	EOFReceived() (keepOpen bool)
	// ConnectionLost is called when the connection is closed: with nil after
	// Close or Abort or the peer's end, otherwise with what broke it. Python:
	// connection_lost.
	ConnectionLost(err error)
	// PauseWriting is called when more is queued than the high-water mark.
	// What is written all the same is queued too. Python: pause_writing.
	PauseWriting()
	// ResumeWriting is called when the queue has sunk to the low-water mark.
	// Python: resume_writing.
	ResumeWriting()
}

// A BufferedProtocol is a [Protocol] that has buffers of its own to read into.
// Its GetBuffer and BufferUpdated are called in the place of DataReceived.
// Python: BufferedProtocol.
type BufferedProtocol interface {
	Protocol
	// GetBuffer returns the buffer for the next read. The hint is the size that
	// would suit, or -1. An empty buffer is an error that ends the connection.
	// The loop lets go of the buffer when BufferUpdated is called. Python:
	// get_buffer.
	GetBuffer(sizeHint int) []byte
	// BufferUpdated says that n bytes were put at the buffer's beginning.
	// Python: buffer_updated.
	BufferUpdated(n int)
}

// BaseProtocol does nothing in each method of a [Protocol], and does not keep
// a connection open that its peer has ended. Embed it for the methods that are
// not needed. Python: the base classes' methods.
type BaseProtocol struct{}

var _ Protocol = BaseProtocol{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(Transport) {}

// DataReceived does nothing.
func (BaseProtocol) DataReceived([]byte) {}

// EOFReceived says false: the transport closes.
func (BaseProtocol) EOFReceived() bool { return false }

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// PauseWriting does nothing.
func (BaseProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseProtocol) ResumeWriting() {}

// callOrder is how far a connection's callbacks have come, as the diagram above
// [Protocol] has it.
type callOrder uint8

const (
	callsNone callOrder = iota
	callsMade
	callsEnded // EOFReceived
	callsLost
)

// check says, in debug mode, that the callback what is not in its order. That
// is a fault of this package and not of the protocol.
func (o callOrder) check(ok bool, what string) {
	if !ok {
		panic(fmt.Errorf("asyncio: %s called out of order, after %s: %w", what, o, ErrInvalidState))
	}
}

func (o callOrder) String() string {
	return [...]string{"nothing", "ConnectionMade", "EOFReceived", "ConnectionLost"}[o]
}

// callbackPanicked reports a panic of a protocol's callback, and returns it as an
// error. about says what that is the end of.
func (l *Loop) callbackPanicked(v any, about string, transport any) *PanicError {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	l.handleException(ExceptionContext{
		Message:   "panic in a callback of " + about,
		Err:       err,
		Transport: transport,
	})
	return err
}
