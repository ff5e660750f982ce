package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// explain finds curl's code for what ended an attempt, and words it in one line.
func (x *transfer) explain(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	switch {
	case x.scope != nil && x.scope.Expired() && isTimeout(err):
		own = x.timeout()
	case errors.As(err, &own):
		own = &Error{Code: own.Code, Err: own.Err}
	case asyncio.IsCancelled(err):
		own = fail(Interrupted, "interrupted")
	case x.rawBody != nil:
		own = x.bodyError(err)
	default:
		own = requestError(err)
	}
	own.URL = x.shown
	return own
}

func isTimeout(err error) bool {
	var t *asyncio.TimeoutError
	return errors.As(err, &t)
}

// timeout returns the error of the limit that ran out.
func (x *transfer) timeout() *Error {
	var e *Error
	if errors.As(x.why, &e) {
		return &Error{Code: e.Code, Err: e.Err}
	}
	ms := x.since().Milliseconds()
	if x.expected >= 0 {
		return fail(TimedOut, "operation timed out after %d milliseconds with %d out of %d bytes received", ms, x.result.Downloaded, x.expected)
	}
	return fail(TimedOut, "operation timed out after %d milliseconds with %d bytes received", ms, x.result.Downloaded)
}

// bodyError explains an error of receiving a body.
func (x *transfer) bodyError(err error) *Error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && x.expected >= 0:
		return fail(PartialFile, "transfer closed with %d bytes remaining to read", x.expected-x.result.Downloaded)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(PartialFile, "transfer closed with outstanding read data remaining")
	case isTimeout(err):
		return fail(TimedOut, "%w", plainly(err))
	}
	return fail(ReceiveFailed, "receiving the body: %w", plainly(err))
}

// requestError explains an error from before there was a response.
func requestError(err error) *Error {
	var (
		proxy     *asynchttp.ProxyError
		dns       *net.DNSError
		handshake *asynchttp.TLSError
		malformed *asynchttp.MalformedResponseError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &proxy):
		return proxyError(proxy)
	case errors.As(err, &dns):
		return fail(NoHostAddress, "could not resolve host: %s: %s", dns.Name, dns.Err)
	case isCertificateError(err):
		return fail(BadCertificate, "certificate problem: %w", plainly(err))
	case errors.As(err, &handshake):
		if errors.As(err, &timeout) && timeout.Timeout() {
			return fail(TimedOut, "%w", plainly(err))
		}
		return fail(TLSFailed, "%w", plainly(err))
	case isConnectError(err):
		return connectError(err)
	case errors.As(err, &malformed):
		return malformedError(malformed)
	case errors.Is(err, asynchttp.ErrEmptyReply):
		return fail(NothingReceived, "empty reply from server")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fail(TimedOut, "%w", plainly(err))
	}
	return fail(ReceiveFailed, "%w", plainly(err))
}

// connectError explains why a connection could not be made.
func connectError(err error) *Error {
	code := CannotConnect
	if errors.Is(err, syscall.ETIMEDOUT) {
		code = TimedOut
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return fail(code, "failed to connect: %w", plainly(err))
	}
	reason := op.Err
	if call, ok := reason.(*os.SyscallError); ok {
		reason = call.Err
	}
	return fail(code, "failed to connect to %s: %w", op.Addr, reason)
}

func proxyError(e *asynchttp.ProxyError) *Error {
	var dns *net.DNSError
	switch {
	case errors.As(e.Err, &dns):
		return fail(NoProxyAddress, "could not resolve proxy: %s: %s", dns.Name, dns.Err)
	case e.StatusCode != 0:
		return fail(ReceiveFailed, "CONNECT tunnel failed, response %d from proxy %s", e.StatusCode, e.Proxy)
	case isCertificateError(e.Err):
		return fail(BadCertificate, "certificate problem of proxy %s: %w", e.Proxy, plainly(e.Err))
	case isConnectError(e.Err):
		return fail(CannotConnect, "failed to connect to proxy %s: %w", e.Proxy, plainly(e.Err))
	}
	return fail(ProxyFailed, "proxy %s: %w", e.Proxy, plainly(e.Err))
}

// malformedError has curl's codes for an answer that is not HTTP: one for what is
// something else from its first bytes on, which curl takes for HTTP/0.9, one for
// a bad header, and one for a transfer encoding that nobody knows.
func malformedError(e *asynchttp.MalformedResponseError) *Error {
	text := e.Err.Error()
	const bad = "malformed HTTP response "
	if strings.Contains(text, bad) && !strings.Contains(text, bad+`"HTTP/`) {
		return fail(UnsupportedProtocol, "Received HTTP/0.9 when not allowed")
	}
	if strings.Contains(text, "HTTP response") || strings.Contains(text, "HTTP version") || strings.Contains(text, "status code") {
		return fail(UnsupportedProtocol, "the answer is not HTTP/1: %w", plainly(e.Err))
	}
	if strings.Contains(text, "transfer encoding") {
		return fail(BadEncoding, "%w", plainly(e.Err))
	}
	return fail(WeirdReply, "weird server reply: %w", plainly(e.Err))
}

func isCertificateError(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &verify) || errors.As(err, &hostname) || errors.As(err, &authority) || errors.As(err, &invalid)
}

// isConnectError reports whether err comes from making a connection.
func isConnectError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "connect") || errors.Is(err, syscall.ECONNREFUSED)
}

// plainly takes the name of the package off the text of an error.
func plainly(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "asynchttp: "), "asyncio: ")
	if text == err.Error() {
		return err
	}
	return fmt.Errorf("%w", &retold{text, err})
}

// retold is an error with other words.
type retold struct {
	text string
	err  error
}

func (e *retold) Error() string { return e.text }
func (e *retold) Unwrap() error { return e.err }
