package fetch

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// traced returns the context of a request, with a trace that notes when each of its
// steps is done. That costs something, so it is left out when nobody asks.
func (x *transfer) traced(ctx context.Context) context.Context {
	if !x.client.tracing {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              x.getConn,
		DNSDone:              func(httptrace.DNSDoneInfo) { x.result.Times.NameLookup = x.since() },
		ConnectStart:         x.connecting,
		ConnectDone:          x.connected,
		TLSHandshakeDone:     x.secured,
		GotConn:              x.gotConn,
		GotFirstResponseByte: func() { x.result.Times.StartTransfer = x.since() },
	})
}

// getConn is the begin of connecting.
func (x *transfer) getConn(hostPort string) {
	limit := x.client.opts.ConnectTimeout
	if limit <= 0 {
		return
	}
	x.connect = x.client.loop.CallLater(limit, func() {
		x.abort(fail(TimedOut, "connection to %s timed out after %d milliseconds", hostPort, limit.Milliseconds()))
	})
}

// connecting is the begin of connecting to addresses.
func (x *transfer) connecting(_, _ string) {
	t := &x.result.Times
	t.NameLookup = orElseTime(t.NameLookup, x.since())
}

// connected is the end of connecting to one address.
func (x *transfer) connected(_, addr string, err error) {
	x.result.Times.Connect = x.since()
	if x.client.opts.Verbose {
		if err != nil {
			x.to.say("* connect to %s failed: %v", addr, err)
		} else {
			x.to.say("* connected to %s", addr)
		}
	}
}

func (x *transfer) secured(state tls.ConnectionState, err error) {
	x.result.Times.AppConnect = x.since()
	if x.client.opts.Verbose && err == nil {
		x.to.say("* TLS connection using %s / %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
		x.client.speaksHTTP2[x.request.URL.Host] = state.NegotiatedProtocol == "h2"
	}
}

// gotConn is the begin of the request itself.
func (x *transfer) gotConn(info httptrace.GotConnInfo) {
	if x.connect != nil {
		x.connect.Cancel()
		x.connect = nil
	}
	now, t := x.since(), &x.result.Times
	t.PreTransfer = now
	if info.Reused {
		t.NameLookup, t.Connect, t.AppConnect = now, now, 0
		if x.result.Scheme == "https" {
			t.AppConnect = now
		}
	} else {
		x.result.Connects++
		t.Connect = orElseTime(t.Connect, now)
	}
	if info.Conn != nil {
		x.result.Remote = addrPort(info.Conn.RemoteAddr())
		x.result.Local = addrPort(info.Conn.LocalAddr())
	}
	if x.client.opts.Verbose && info.Reused {
		x.to.say("* using the connection to %s again", x.result.Remote)
	}
	proto := "HTTP/1.1"
	if u := x.request.URL; x.client.opts.HTTP == HTTP2Only || u.Scheme == "https" && x.client.speaksHTTP2[u.Host] {
		proto = http2
	}
	x.sayRequest(x.request, proto)
}

func orElseTime(a, b time.Duration) time.Duration {
	if a != 0 {
		return a
	}
	return b
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// note copies what the response holds into the result.
func (x *transfer) note(req *http.Request, resp *http.Response) {
	r := x.result
	r.Code, r.Header = resp.StatusCode, resp.Header
	if !x.client.tracing {
		return
	}
	r.HTTPVersion = strings.TrimPrefix(protoOf(resp), "HTTP/")
	r.ContentType = resp.Header.Get("Content-Type")
	r.Times.StartTransfer = orElseTime(r.Times.StartTransfer, x.since())
	var size int64
	size, r.Headers = headerSize(resp)
	r.HeaderSize += size
	r.RequestSize += requestSize(req, protoOf(resp))
}

// http2 is the name that curl, and the protocol itself, have for HTTP/2.
const http2 = "HTTP/2"

// protoOf returns the version of HTTP of a response, as curl writes it.
func protoOf(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return http2
	}
	return resp.Proto
}

// statusOf returns the status of a response as curl writes it: HTTP/2 has no
// words for it.
func statusOf(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return fmt.Sprintf("%d ", resp.StatusCode)
	}
	return resp.Status
}

// headerSize counts the bytes and the lines of a response's header, as they
// were before net/http took some of them out. A header with unusual white
// space was longer.
func headerSize(resp *http.Response) (size int64, lines int) {
	size = int64(len(protoOf(resp)) + 1 + len(statusOf(resp)) + 2 + 2)
	for name, values := range resp.Header {
		for _, v := range values {
			size += int64(len(name) + 2 + len(v) + 2)
			lines++
		}
	}
	if len(resp.TransferEncoding) > 0 {
		size += int64(len("Transfer-Encoding: \r\n") + len(strings.Join(resp.TransferEncoding, ", ")))
		lines++
	}
	if len(resp.Trailer) > 0 {
		n := len("Trailer: \r\n") - 2
		for name := range resp.Trailer {
			n += len(name) + 2
		}
		size += int64(n)
		lines++
	}
	return size, lines
}

// requestSize counts the bytes of a request, with HTTP/2 those that it would have
// without packing, as curl does.
func requestSize(req *http.Request, proto string) int64 {
	n := len(req.Method) + 1 + len(req.URL.RequestURI()) + len(" "+proto+"\r\n") + len("Host: \r\n") + len(req.Host) + 2
	for name, values := range req.Header {
		for _, v := range values {
			if v != "" || name != "User-Agent" {
				n += len(name) + 2 + len(v) + 2
			}
		}
	}
	if req.ContentLength > 0 {
		n += len(fmt.Sprintf("Content-Length: %d\r\n", req.ContentLength)) + int(req.ContentLength)
	}
	return int64(n)
}

// sayRequest prints a request, for -v.
func (x *transfer) sayRequest(req *http.Request, proto string) {
	if !x.client.opts.Verbose {
		return
	}
	lines := []string{fmt.Sprintf("> %s %s %s", req.Method, req.URL.RequestURI(), proto), "> Host: " + req.Host}
	lines = append(lines, headerLines("> ", req.Header)...)
	x.to.say("%s", strings.Join(append(lines, ">"), "\n"))
}

// sayResponse prints a response's header, for -v.
func (x *transfer) sayResponse(resp *http.Response) {
	if !x.client.opts.Verbose {
		return
	}
	lines := append([]string{"< " + Printable(protoOf(resp)+" "+statusOf(resp))}, headerLines("< ", resp.Header)...)
	x.to.say("%s", strings.Join(append(lines, "<"), "\n"))
}

func headerLines(mark string, h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines []string
	for _, name := range names {
		for _, v := range h[name] {
			if v != "" || name != "User-Agent" {
				lines = append(lines, mark+Printable(name+": "+v))
			}
		}
	}
	return lines
}
