package asynchttp

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// What a field of [Transport] that is zero means.
const (
	DefaultMaxIdleConns           = 100
	DefaultIdleConnTimeout        = 90 * time.Second
	DefaultTLSHandshakeTimeout    = 10 * time.Second
	DefaultExpectContinueTimeout  = time.Second
	DefaultMaxResponseHeaderBytes = 300 << 10
	DefaultMaxResponseFields      = 5000
)

// A Transport is an [http.RoundTripper] on an asyncio loop. It keeps
// connections for the next request, speaks through proxies, and unpacks gzip,
// as [http.Transport] does; its fields have the names they have there. The
// zero value is ready for use, and its limits are those of a careful client:
// what zero means is said at each field.
//
// RoundTrip, and reading and closing of response bodies, suspend the running
// task: they must be called in a coroutine. A Transport belongs to the loop
// that uses it first. It is not locked, and all its methods are for that
// loop's goroutine. The fields must not be changed after the first request.
//
// A request that is cancelled, or whose context ends, closes its connection;
// its error is the cancellation, or wraps the context's.
type Transport struct {
	// Proxy gives the proxy for a request; nil, or a nil URL, means none. Its
	// scheme is http, https, socks5 or socks5h; user and password in the URL
	// are sent to the proxy. [http.ProxyFromEnvironment] fits.
	Proxy func(*http.Request) (*url.URL, error)

	// OnProxyConnectResponse is told what a proxy answered to CONNECT. Its
	// error makes the request fail.
	OnProxyConnectResponse func(ctx context.Context, proxyURL *url.URL, connectReq *http.Request, connectRes *http.Response) error

	// ProxyConnectHeader is sent to proxies with CONNECT.
	ProxyConnectHeader http.Header

	// TLSClientConfig is the configuration for https. Its NextProtos are not
	// used: this package speaks HTTP/1.1.
	TLSClientConfig *tls.Config

	// TLSHandshakeTimeout limits a TLS handshake; zero means ten seconds, a
	// negative value that there is no limit.
	TLSHandshakeTimeout time.Duration

	// DisableKeepAlives closes each connection after one request.
	DisableKeepAlives bool

	// DisableCompression keeps the Transport from asking for gzip. Without it,
	// a request that names no Accept-Encoding asks for gzip, and a gzip answer
	// is unpacked on the way: the response has Uncompressed set then, and
	// neither Content-Length nor Content-Encoding.
	DisableCompression bool

	// MaxIdleConns is how many idle connections are kept in all; zero means
	// 100, a negative value that there is no limit.
	MaxIdleConns int

	// MaxIdleConnsPerHost is how many idle connections are kept for a host;
	// zero, unlike in http.Transport, means as many as MaxIdleConns allows.
	MaxIdleConnsPerHost int

	// MaxConnsPerHost limits the connections to a host, whatever they do.
	// Requests above it wait, in order. Zero means that there is no limit.
	MaxConnsPerHost int

	// IdleConnTimeout is how long an idle connection is kept; zero means 90
	// seconds, a negative value for ever.
	IdleConnTimeout time.Duration

	// ResponseHeaderTimeout limits the time from the end of the request, its
	// body included, to the end of the response's header; zero means that
	// there is no limit.
	ResponseHeaderTimeout time.Duration

	// ExpectContinueTimeout is how long a request with "Expect: 100-continue"
	// waits before it sends its body all the same; zero means one second, a
	// negative value that it does not wait.
	ExpectContinueTimeout time.Duration

	// MaxResponseHeaderBytes limits the header of a response, with all the
	// 1xx responses before it; zero means 300 KiB.
	MaxResponseHeaderBytes int64

	// MaxResponseFields limits the lines of a response's header; zero means
	// 5,000.
	MaxResponseFields int

	// ReadBufferSize and WriteBufferSize are the sizes of a connection's
	// buffers; zero means 4 KiB.
	ReadBufferSize, WriteBufferSize int

	pool pool
}

// RoundTrip sends a request and gives the response as soon as its header is
// there. The body must be read to its end or closed, or the connection is lost
// to others. It implements [http.RoundTripper].
//
// A request that meets a connection which the server has closed meanwhile is
// sent again on another, when nothing of a response had come and sending twice
// is harmless: its method is idempotent and its body empty or to be had again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	panic("asynchttp: not there yet")
}

// CloseIdleConnections closes the connections that no request uses.
// [http.Client.CloseIdleConnections] calls it.
func (t *Transport) CloseIdleConnections() {}

// Close closes all connections, those in use too: their requests and bodies
// fail with [ErrTransportClosed], as every later request does.
func (t *Transport) Close() error { return nil }
