package h2

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

var (
	// ErrUnprocessed says that the peer has done nothing with a request: it
	// refused the stream, or said that it takes no more of them. The request may
	// be sent again, whatever it is.
	ErrUnprocessed = errors.New("asynchttp: the server has not processed the request")

	// ErrClosed is returned for a request on a connection that was closed here.
	ErrClosed = errors.New("asynchttp: the connection was closed")

	// ErrBodyClosed is returned by a Read of a body that was closed, also when
	// it was closed during the Read.
	ErrBodyClosed = errors.New("asynchttp: read on a closed response body")

	// ErrConcurrentRead is returned when two tasks read a body at the same time.
	ErrConcurrentRead = errors.New("asynchttp: two tasks read the same body")

	// ErrHeaderTooLarge says that a header block is larger than is allowed.
	ErrHeaderTooLarge = errors.New("asynchttp: response header too large")

	// ErrTooManyInformational is returned for a response that comes after too
	// many responses of 1xx.
	ErrTooManyInformational = errors.New("asynchttp: too many 1xx responses")

	// ErrStalled says that the peer has not read what was sent to it for too
	// long.
	ErrStalled = errors.New("asynchttp: the peer does not read")

	// ErrPingTimeout says that the peer has not answered a PING.
	ErrPingTimeout = errors.New("asynchttp: no answer to a PING")
)

// A StreamError says that a stream was reset, and by whom.
type StreamError struct {
	StreamID uint32
	Code     http2.ErrCode
	Remote   bool   // the peer has reset it
	Reason   string // what was wrong, where this side has reset it
}

func (e *StreamError) Error() string {
	switch {
	case e.Remote:
		return fmt.Sprintf("asynchttp: HTTP/2 stream %d was reset by the peer: %v", e.StreamID, e.Code)
	case e.Reason == "":
		return fmt.Sprintf("asynchttp: HTTP/2 stream %d was reset: %v", e.StreamID, e.Code)
	}
	return fmt.Sprintf("asynchttp: HTTP/2 stream %d was reset: %v: %s", e.StreamID, e.Code, e.Reason)
}

// Unwrap returns the error that golang.org/x/net/http2 has for it.
func (e *StreamError) Unwrap() error {
	return http2.StreamError{StreamID: e.StreamID, Code: e.Code}
}

// Is makes a refused stream an [ErrUnprocessed].
func (e *StreamError) Is(target error) bool {
	return target == ErrUnprocessed && e.Remote && e.Code == http2.ErrCodeRefusedStream
}

// A ConnError says that a connection was given up, and by whom.
type ConnError struct {
	Code   http2.ErrCode
	Remote bool   // the peer has given it up
	Reason string // what was wrong; of the peer's, what it said
}

func (e *ConnError) Error() string {
	who := "connection error"
	if e.Remote {
		who = "the peer has closed the connection"
	}
	if e.Reason == "" {
		return fmt.Sprintf("asynchttp: HTTP/2: %s: %v", who, e.Code)
	}
	return fmt.Sprintf("asynchttp: HTTP/2: %s: %v: %s", who, e.Code, e.Reason)
}

// Unwrap returns the error that golang.org/x/net/http2 has for it.
func (e *ConnError) Unwrap() error { return http2.ConnectionError(e.Code) }

// connError is the error of a connection that this side gives up.
func connError(code http2.ErrCode, reason string) error {
	return &ConnError{Code: code, Reason: reason}
}

// streamError is the error of a stream that this side resets.
func streamError(id uint32, code http2.ErrCode, reason string) error {
	return &StreamError{StreamID: id, Code: code, Reason: reason}
}
