package asynchttp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// proxyTimeout limits what a proxy needs to connect to the host, as in net/http.
const proxyTimeout = time.Minute

// throughProxy makes a connection to a proxy one to the host, or leaves it as
// it is where the proxy takes requests for all hosts.
func (c *conn) throughProxy(ctx context.Context, proxy *url.URL, trace *httptrace.ClientTrace) error {
	target := c.host.key.addr
	timer := c.t.loop.CallLater(proxyTimeout, func() { c.fail(&TimeoutError{"proxy"}) })
	defer timer.Cancel()
	var err error
	switch proxy.Scheme {
	case "https":
		err = c.startTLS(ctx, address(proxy), []string{protoHTTP1}, trace)
		if err == nil && target != "" {
			err = c.connectHTTP(ctx, proxy, target)
		}
	case "http":
		if target != "" {
			err = c.connectHTTP(ctx, proxy, target)
		}
	default:
		err = c.connectSOCKS(proxy, target)
	}
	var known *ProxyError
	if err == nil || errors.As(err, &known) || c.cause != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &ProxyError{Proxy: proxy.Redacted(), Target: target, Err: err}
}

// proxyAuth gives the value of Proxy-Authorization, or nothing.
func proxyAuth(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password))
}

// connectHTTP asks an http proxy for a connection to target.
func (c *conn) connectHTTP(ctx context.Context, proxy *url.URL, target string) error {
	t := c.t
	req := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: target},
		Host:   target,
		Header: t.ProxyConnectHeader.Clone(),
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if err := checkHeader("proxy header", req.Header); err != nil {
		return err
	}
	out := outgoing{req: req, proxyAuth: proxyAuth(proxy)}
	w := t.wires.get()
	defer t.wires.put(w)
	if err := out.appendHeader(w); err != nil {
		return err
	}
	x := exchange{c: c, out: out, sent: true}
	c.buffer()
	defer c.unbuffer()
	c.fresh = true
	c.meter.start(orDefault(t.MaxResponseHeaderBytes, DefaultMaxResponseHeaderBytes), orDefault(t.MaxResponseFields, DefaultMaxResponseFields))
	defer c.meter.stop()
	if _, err := c.Write(*w); err != nil {
		return err
	}
	resp, err := x.readResponse(ctx)
	if err != nil {
		return err
	}
	if t.OnProxyConnectResponse != nil {
		if err := t.OnProxyConnectResponse(ctx, proxy, req, resp); err != nil {
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return &ProxyError{proxy.Redacted(), target, resp.StatusCode, errors.New(resp.Status)}
	}
	if c.br.Buffered() > 0 {
		return &MalformedResponseError{errors.New("data after the answer to CONNECT")}
	}
	return nil
}

// The bytes of SOCKS 5 (RFC 1928, RFC 1929).
const (
	socksVersion     = 5
	socksConnect     = 1
	socksNoAuth      = 0
	socksPassword    = 2
	socksAuthVersion = 1
	socksIPv4        = 1
	socksName        = 3
	socksIPv6        = 4
)

var socksReplies = []string{
	"succeeded", "general failure", "connection not allowed", "network unreachable", "host unreachable",
	"connection refused", "TTL expired", "command not supported", "address type not supported",
}

// connectSOCKS asks a SOCKS 5 proxy for a connection to target. The proxy
// resolves names.
func (c *conn) connectSOCKS(proxy *url.URL, target string) error {
	method := byte(socksNoAuth)
	if proxy.User != nil {
		method = socksPassword
	}
	answer, err := c.ask([]byte{socksVersion, 1, method}, 2)
	if err != nil {
		return err
	}
	if answer[0] != socksVersion || answer[1] != method {
		return fmt.Errorf("socks: the proxy does not take our way to log in: % x", answer)
	}
	if method == socksPassword {
		user := proxy.User.Username()
		password, _ := proxy.User.Password()
		if len(user) == 0 || len(user) > 255 || len(password) > 255 {
			return errors.New("socks: user or password too long, or no user")
		}
		p := append([]byte{socksAuthVersion, byte(len(user))}, user...)
		p = append(append(p, byte(len(password))), password...)
		if answer, err = c.ask(p, 2); err != nil {
			return err
		}
		if answer[1] != 0 {
			return errors.New("socks: user or password refused")
		}
	}
	p, err := socksRequest(target)
	if err != nil {
		return err
	}
	if answer, err = c.ask(p, 5); err != nil {
		return err
	}
	if answer[0] != socksVersion || answer[2] != 0 {
		return fmt.Errorf("socks: malformed answer: % x", answer)
	}
	if code := int(answer[1]); code != 0 {
		text := "code " + strconv.Itoa(code)
		if code < len(socksReplies) {
			text = socksReplies[code]
		}
		return errors.New("socks: " + text)
	}
	rest := 0 // of the address, which nobody wants, and its port
	switch answer[3] {
	case socksIPv4:
		rest = 4 - 1 + 2
	case socksIPv6:
		rest = 16 - 1 + 2
	case socksName:
		rest = int(answer[4]) + 2
	default:
		return fmt.Errorf("socks: malformed answer: % x", answer)
	}
	_, err = c.ask(nil, rest)
	return err
}

// ask writes p and reads n bytes, not one more: what follows is not for us.
func (c *conn) ask(p []byte, n int) ([]byte, error) {
	if len(p) > 0 {
		if _, err := c.Write(p); err != nil {
			return nil, err
		}
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(c, answer)
	return answer, err
}

func socksRequest(target string) ([]byte, error) {
	name, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("socks: port: %w", err)
	}
	p := []byte{socksVersion, socksConnect, 0}
	if ip, err := netip.ParseAddr(name); err == nil {
		ip = ip.Unmap()
		kind := byte(socksIPv6)
		if ip.Is4() {
			kind = socksIPv4
		}
		p = append(append(p, kind), ip.AsSlice()...)
	} else {
		if len(name) > 255 {
			return nil, errors.New("socks: host name too long")
		}
		p = append(append(p, socksName, byte(len(name))), name...)
	}
	return append(p, byte(port>>8), byte(port)), nil
}
