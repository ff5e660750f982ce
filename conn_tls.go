package asyncio

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrTruncated says that a TLS connection ended without a word from the peer
// that it is the end (close_notify): more may have been to come.
// errors.Is(err, io.ErrUnexpectedEOF) holds for it.
var ErrTruncated = fmt.Errorf("asyncio: the TLS connection was cut off: %w", io.ErrUnexpectedEOF)

// The time limits of a handshake and of an end over TLS, as in CPython.
const (
	defaultHandshakeTimeout = 60 * time.Second
	defaultShutdownTimeout  = 30 * time.Second
)

// checkTLS says what a configuration lacks.
func checkTLS(cfg *tls.Config, server bool) error {
	if cfg == nil || !server && cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		return errors.New("the configuration needs a ServerName, or InsecureSkipVerify")
	}
	return nil
}

// overWire puts TLS on a connection of ours.
func overWire(wire net.Conn, cfg *tls.Config, server bool) *tls.Conn {
	if server {
		return tls.Server(wire, cfg)
	}
	return tls.Client(wire, cfg)
}

// A temporaryError is one after which crypto/tls does not give a connection up.
type temporaryError struct{ error }

func (e *temporaryError) Timeout() bool   { return false }
func (e *temporaryError) Temporary() bool { return true }
func (e *temporaryError) Unwrap() error   { return e.error }

func unwrapTemporary(err error) error {
	var t *temporaryError
	if errors.As(err, &t) {
		return t.error
	}
	return err
}
