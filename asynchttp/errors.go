package asynchttp

import (
	"context"
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

var (
	// ErrTransportClosed is returned for a request on a [Transport] that was
	// closed.
	ErrTransportClosed = errors.New("asynchttp: the transport is closed")

	// ErrHeaderTooLarge is returned for a response whose header, or trailer,
	// has more bytes or more lines than the [Transport] allows.
	ErrHeaderTooLarge = h2.ErrHeaderTooLarge

	// ErrTooManyInformational is returned for a response that comes after more
	// than ten responses of 1xx.
	ErrTooManyInformational = h2.ErrTooManyInformational

	// ErrEmptyReply is returned when the server closed the connection without
	// a byte of a response.
	ErrEmptyReply = errors.New("asynchttp: the server closed the connection without a response")

	// ErrBodyClosed is returned by a Read of a response's body that was
	// closed, also when it was closed during the Read.
	ErrBodyClosed = h2.ErrBodyClosed

	// ErrConcurrentRead is returned when two tasks read a body at the same
	// time.
	ErrConcurrentRead = h2.ErrConcurrentRead
)

// A ProxyError is returned when a proxy could not be reached, or did not make a
// connection to the host.
type ProxyError struct {
	Proxy      string // its URL, without a password
	Target     string // host and port that it was to connect to; empty when it was to fetch
	StatusCode int    // what it answered to CONNECT, or 0
	Err        error
}

func (e *ProxyError) Error() string {
	if e.Target == "" {
		return fmt.Sprintf("asynchttp: proxy %s: %v", e.Proxy, e.Err)
	}
	return fmt.Sprintf("asynchttp: proxy %s: connect to %s: %v", e.Proxy, e.Target, e.Err)
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// A TimeoutError is returned when a time limit of a [Transport] or a [Server] ran
// out. It is a net.Error whose Timeout is true, and errors.Is(err,
// context.DeadlineExceeded) holds for it.
type TimeoutError struct {
	Op string // "connection", "TLS handshake", "response header", "response body", "proxy"; of a server "request", "TLS handshake"
}

func (e *TimeoutError) Error() string { return "asynchttp: timed out waiting for the " + e.Op }

// Timeout is true.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is true, as it is for the net package's timeouts.
func (e *TimeoutError) Temporary() bool { return true }

// Is makes it a [context.DeadlineExceeded].
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// A MalformedResponseError is returned when what the server sent is not HTTP: a bad
// status line, a header that contradicts itself, a bad chunk.
type MalformedResponseError struct{ Err error }

func (e *MalformedResponseError) Error() string {
	return "asynchttp: malformed response: " + e.Err.Error()
}

// Unwrap returns what is wrong with it.
func (e *MalformedResponseError) Unwrap() error { return e.Err }

// A RequestBodyError is returned when the body of a request could not be read, or is
// not as long as its ContentLength.
type RequestBodyError struct{ Err error }

func (e *RequestBodyError) Error() string { return "asynchttp: request body: " + e.Err.Error() }

// Unwrap returns the body's error.
func (e *RequestBodyError) Unwrap() error { return e.Err }

// An UnsupportedSchemeError is returned for a URL whose Scheme is neither
// http nor https.
type UnsupportedSchemeError struct{ Scheme string }

func (e *UnsupportedSchemeError) Error() string {
	return fmt.Sprintf("asynchttp: unsupported protocol scheme %q", e.Scheme)
}

// A TLSError is returned when a TLS handshake failed. The error of crypto/tls or
// crypto/x509 is inside.
type TLSError struct {
	Host string // whose certificate was asked for
	Err  error
}

func (e *TLSError) Error() string {
	return "asynchttp: TLS handshake with " + e.Host + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }
