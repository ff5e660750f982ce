package asynchttp

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
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

// proxyAuth returns the value of Proxy-Authorization; empty where the proxy's URL
// has no user.
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
