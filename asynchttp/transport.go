package asynchttp

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// What a field of [Transport] that is zero means.
const (
	DefaultMaxIdleConns           = 100
	DefaultIdleConnTimeout        = 90 * time.Second
	DefaultConnectTimeout         = 30 * time.Second
	DefaultTLSHandshakeTimeout    = 10 * time.Second
	DefaultExpectContinueTimeout  = time.Second
	DefaultMaxResponseHeaderBytes = 300 << 10
	DefaultMaxResponseFields      = 5000
)

// A Transport is an [http.RoundTripper] on an asyncio loop. It keeps
// connections for the next request, speaks through proxies, and unpacks gzip,
// as [http.Transport] does; its fields have the names they have there. The
// zero value is ready for use, and its limits are those of a careful client:
// the comment at each field says what zero means.
//
// RoundTrip, and reading and closing of response bodies, suspend the running
// task: they must be called in a coroutine. A Transport belongs to the loop
// that uses it first. It is not locked, and all its methods are for that
// loop's goroutine. The fields must not be changed after the first request.
//
// A request that is cancelled, or whose context ends, closes its connection;
// its error is the cancellation, or wraps the context's.
type Transport struct {
	// Proxy returns the proxy for a request; nil, or a nil URL, means none. Its
	// scheme is http, https, socks5 or socks5h; user and password in the URL
	// are sent to the proxy. [http.ProxyFromEnvironment] fits.
	Proxy func(*http.Request) (*url.URL, error)

	// OnProxyConnectResponse is told what a proxy answered to CONNECT. Its
	// error makes the request fail.
	OnProxyConnectResponse func(ctx context.Context, proxyURL *url.URL, connectReq *http.Request, connectRes *http.Response) error

	// ProxyConnectHeader is sent to proxies with CONNECT.
	ProxyConnectHeader http.Header

	// DialContext opens the connections, without TLS; nil means
	// [asyncio.OpenConnection]. The network is "tcp".
	DialContext func(ctx context.Context, network, addr string) (*asyncio.Stream, error)

	// ConnectTimeout limits the time in which a connection is made, with the look
	// up of the name and without TLS; zero means 30 seconds, a negative value that
	// there is no limit.
	ConnectTimeout time.Duration

	// TLSClientConfig is the configuration for https. Its NextProtos are not
	// used: see Protocols.
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

	// BodyTimeout limits each wait for more of a response's body; zero means that
	// there is no limit.
	BodyTimeout time.Duration

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

	// ReadBufferSize is the size of the buffer of a connection that is in use;
	// zero means 4 KiB. The trailers of a response must fit into it.
	ReadBufferSize int

	// Protocols is which versions of HTTP are spoken; nil means HTTP/1 and, with
	// https hosts that offer it, HTTP/2. Without HTTP/1, and with unencrypted
	// HTTP/2, that is what http hosts are taken to speak, too.
	Protocols *http.Protocols

	// HTTP2 is for HTTP/2. Of it count MaxReceiveBufferPerStream (zero means 1
	// MiB), MaxReceiveBufferPerConnection (8 MiB), SendPingTimeout (never),
	// PingTimeout (15 seconds) and StrictMaxConcurrentRequests: requests above the
	// limit of a server wait then, in order, and get no further connection.
	HTTP2 *http.HTTP2Config

	loop      *asyncio.Loop // the loop that it belongs to, once it does
	h2        *h2.Client    // made with its first connection
	closed    bool
	pool      pool
	wires     wires
	readers   []*bufio.Reader // of connections that lie idle
	unzippers []*gzip.Reader
	copies    freelist.Copies
}

// RoundTrip sends a request and returns the response as soon as its header is
// there. The body must be read to its end or closed, or the connection is lost
// to others. It implements [http.RoundTripper].
//
// A request that meets a connection which the server has closed meanwhile is
// sent again on another, when nothing of a response had come and sending twice
// is harmless: its method is idempotent and its body empty or to be had again.
//
// The request's context is the coroutine's, or derived from it. One that
// belongs to no loop will do too, once the Transport belongs to one.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	t.limitBody(resp)
	return resp, nil
}

func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	ctx, own, leave, err := t.enter(req.Context())
	if err == nil {
		err = checkRequest(req)
	}
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer leave()
	trace := traceOf(ctx)
	for tries := 1; ; tries++ {
		fresh := tries > 1
		var end context.Context // to be heeded by what does not take a context
		if own {
			end = req.Context()
		}
		x, err := t.begin(ctx, end, req, trace, fresh)
		if err != nil {
			closeBody(req)
			return nil, err
		}
		resp, err := x.send1or2(ctx, end)
		if err == nil {
			return resp, nil
		}
		again := !fresh && x.lost && replayable(req) || tries < maxTries && x.unprocessed && rewindable(req)
		if t.closed && x.unprocessed {
			return nil, ErrTransportClosed
		}
		if !again {
			return nil, err
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
	}
}

// maxTries is how often a request is sent with which servers do nothing.
const maxTries = 4

// send1or2 does the exchange, in the version of HTTP that the connection has.
func (x *exchange) send1or2(ctx, end context.Context) (*http.Response, error) {
	if x.c.multi != nil {
		return x.roundTripHTTP2(ctx, end)
	}
	if end != nil {
		x.stop = x.c.watch(end)
	}
	return x.roundTrip(ctx)
}

// enter makes sure that the request may wait here, and returns the context with
// which it waits. own is set when the request's context has an end of its own,
// which the streams do not know of.
func (t *Transport) enter(ctx context.Context) (wait context.Context, own bool, leave func(), err error) {
	loop, err := asyncio.RunningLoop(ctx)
	foreign := err != nil // a context of no loop
	mine := coro.OnMarkedGoroutine()
	switch {
	case foreign && (!mine || t.loop == nil):
		return nil, false, nil, fmt.Errorf("asynchttp: round trip: %w", err)
	case !mine:
		return nil, false, nil, fmt.Errorf("asynchttp: round trip: %w", asyncio.ErrWrongGoroutine)
	case foreign:
		loop = t.loop
	case t.loop == nil:
		t.loop = loop
	case t.loop != loop:
		return nil, false, nil, fmt.Errorf("asynchttp: round trip: the transport belongs to another loop: %w", asyncio.ErrWrongLoop)
	}
	if t.closed {
		return nil, false, nil, ErrTransportClosed
	}
	task := loop.CurrentTask()
	if task == nil {
		return nil, false, nil, fmt.Errorf("asynchttp: round trip: %w", asyncio.ErrNotInTask)
	}
	if ctx == task.Context() {
		return ctx, false, func() {}, nil // its end comes as a cancellation
	}
	if err := ctx.Err(); err != nil {
		return nil, false, nil, err
	}
	own = ctx.Done() != nil && (foreign || ctx.Done() != task.Context().Done())
	if !foreign {
		return ctx, own, func() {}, nil
	}
	wait, leave = joined(loop, task.Context(), ctx)
	return wait, own, leave, nil
}

// joined returns a context of the task's that ends with the request's, too, and
// has its values.
func joined(loop *asyncio.Loop, task, request context.Context) (ctx context.Context, leave func()) {
	merged, cancel := context.WithCancelCause(task)
	stop := hook.WhenDone(loop, request, func() { cancel(request.Err()) })
	return valuesFrom{merged, request}, func() { stop(); cancel(nil) }
}

// begin gets a connection for the request.
func (t *Transport) begin(ctx, end context.Context, req *http.Request, trace *httptrace.ClientTrace, fresh bool) (*exchange, error) {
	k, proxy, err := t.route(req)
	if err != nil {
		return nil, err
	}
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(address(req.URL))
	}
	c, err := t.connection(ctx, end, req, k, proxy, trace, fresh)
	if err != nil {
		return nil, err
	}
	if c.multi != nil {
		c.multi.got(trace)
	} else if trace != nil && trace.GotConn != nil {
		info := httptrace.GotConnInfo{Conn: c.s.Conn(), Reused: c.reused, WasIdle: c.reused}
		if c.reused {
			info.IdleTime = t.loop.Time() - c.idleSince
		}
		trace.GotConn(info)
	}
	x := &exchange{c: c}
	x.out = t.outgoing(req, trace)
	if proxy != nil && k.addr == "" {
		x.out.absolute = true
		x.out.proxyAuth = proxyAuth(proxy)
	}
	return x, nil
}

// connection returns a connection for a request: one that lies idle, a new one,
// or one that others use, too.
func (t *Transport) connection(ctx, end context.Context, req *http.Request, k key, proxy *url.URL, trace *httptrace.ClientTrace, fresh bool) (*conn, error) {
	may := t.mayShare(k)
	if may {
		m, lead, err := t.share(ctx, k)
		if err != nil {
			return nil, err
		}
		if m != nil {
			return m.c, nil
		}
		if lead {
			defer t.led(t.pool.host(k))
		}
	}
	c, h, err := t.get(ctx, k, fresh, !replayable(req))
	if err != nil || c != nil {
		return c, err
	}
	if c, err = t.connect(ctx, end, h, proxy, trace); err != nil {
		t.release(h)
		return nil, err
	}
	if may {
		err := c.cause // it was closed meanwhile
		if err == nil {
			err = t.adopt(ctx, c)
		}
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// outgoing returns what is sent for a request to its host.
func (t *Transport) outgoing(req *http.Request, trace *httptrace.ClientTrace) outgoing {
	return outgoing{
		req: req, trace: trace,
		close: t.DisableKeepAlives || req.Close,
		gzip:  !t.DisableCompression && req.Header["Accept-Encoding"] == nil && req.Header["Range"] == nil && req.Method != http.MethodHead,
	}
}

// route returns which connections can carry a request.
func (t *Transport) route(req *http.Request) (key, *url.URL, error) {
	scheme := req.URL.Scheme
	if t.Proxy != nil {
		proxy, err := t.Proxy(req)
		if err != nil {
			return key{}, nil, fmt.Errorf("asynchttp: proxy for %s: %w", req.URL.Redacted(), err)
		}
		if proxy != nil {
			switch proxy.Scheme {
			case "http", "https":
				if scheme == "http" {
					return key{proxy: proxy.String(), scheme: scheme}, proxy, nil
				}
			case "socks5", "socks5h":
			default:
				return key{}, nil, &ProxyError{Proxy: proxy.Redacted(), Target: req.URL.Host, Err: &UnsupportedSchemeError{proxy.Scheme}}
			}
			return key{proxy: proxy.String(), scheme: scheme, addr: address(req.URL), http1: needsHTTP1(req)}, proxy, nil
		}
	}
	return key{scheme: scheme, addr: address(req.URL), http1: needsHTTP1(req)}, nil, nil
}

// needsHTTP1 reports whether a request asks for what HTTP/2 does not have.
func needsHTTP1(r *http.Request) bool {
	return r.Header["Upgrade"] != nil && hasToken(r.Header["Connection"], "upgrade")
}

// replayable reports whether sending a request twice is harmless, and possible.
func replayable(r *http.Request) bool {
	if !rewindable(r) {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	// As in net/http, these say that the server knows a repetition.
	_, a := r.Header["Idempotency-Key"]
	_, b := r.Header["X-Idempotency-Key"]
	return a || b
}

// rewindable reports whether the body can be had again.
func rewindable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// rewind returns a request with its body from the beginning.
func rewind(r *http.Request) (*http.Request, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, &RequestBodyError{err}
	}
	again := *r
	again.Body = body
	return &again, nil
}

// CloseIdleConnections closes the connections that no request uses.
// [http.Client.CloseIdleConnections] calls it.
func (t *Transport) CloseIdleConnections() {
	t.closeIdle(asyncio.NoTimeout)
}

// Close closes all connections, those in use too: their requests and bodies
// fail with [ErrTransportClosed], as every later request does.
func (t *Transport) Close() error {
	t.closed = true
	t.CloseIdleConnections()
	for e := t.pool.all.Front(); e != nil; {
		c := e.Value.(*conn)
		e = e.Next() // a connection of HTTP/2 leaves the list at once
		c.fail(ErrTransportClosed)
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.pool.hosts), key.compare) {
		h := t.pool.hosts[k]
		for e := h.waiters.Front(); e != nil; e = e.Next() {
			e.Value.(*waiter).got.SetError(ErrTransportClosed)
		}
	}
	return nil
}
