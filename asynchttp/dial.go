package asynchttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// connect makes a connection to a host, over its proxy when it has one. It
// leaves the host's place in the pool to the caller when it fails.
func (t *Transport) connect(ctx, end context.Context, h *host, proxy *url.URL, trace *httptrace.ClientTrace) (*conn, error) {
	addr := h.key.addr
	if proxy != nil {
		addr = address(proxy)
	}
	s, err := t.dialInTime(ctx, addr, trace)
	if err != nil {
		if proxy != nil && !asyncio.IsCancelled(err) {
			err = &ProxyError{Proxy: proxy.Redacted(), Target: h.key.addr, Err: err}
		}
		return nil, err
	}
	c := &conn{t: t, host: h, s: s}
	c.member = t.pool.all.PushBack(c)
	if t.closed {
		c.fail(ErrTransportClosed)
	}
	if end != nil {
		defer c.watch(end)()
	}
	if err := c.handshakes(ctx, proxy, trace); err != nil {
		if c.cause != nil && !asyncio.IsCancelled(err) {
			err = c.cause
		}
		c.closed = true // the place is the caller's to give back
		t.pool.all.Remove(c.member)
		c.unbuffer()
		s.Abort()
		return nil, err
	}
	return c, nil
}

// handshakes does what comes between the connection and the first request.
func (c *conn) handshakes(ctx context.Context, proxy *url.URL, trace *httptrace.ClientTrace) error {
	if proxy != nil {
		if err := c.throughProxy(ctx, proxy, trace); err != nil {
			return err
		}
	}
	if c.host.key.scheme != "https" {
		return nil
	}
	return c.startTLS(ctx, c.host.key.addr, c.t.offers(c.host.key), trace)
}

// startTLS does the handshake with the host of an address, and offers it these
// protocols.
func (c *conn) startTLS(ctx context.Context, addr string, protos []string, trace *httptrace.ClientTrace) error {
	t := c.t
	cfg, err := t.clientTLS(addr, protos)
	if err != nil {
		return err
	}
	if d := orDefault(t.TLSHandshakeTimeout, DefaultTLSHandshakeTimeout); d > 0 {
		timer := t.loop.CallLater(d, func() { c.fail(&TimeoutError{"TLS handshake"}) })
		defer timer.Cancel()
	}
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	if err = c.handshake(ctx, cfg); err == nil {
		c.tls = c.s.ConnectionState()
	}
	if trace != nil && trace.TLSHandshakeDone != nil {
		var state tls.ConnectionState
		if c.tls != nil {
			state = *c.tls
		}
		trace.TLSHandshakeDone(state, err)
	}
	if err != nil && c.cause == nil && !asyncio.IsCancelled(err) && ctx.Err() == nil {
		err = &TLSError{Host: addr, Err: err}
	}
	return err
}

// clientTLS returns the configuration for a handshake with the host of an
// address, which is offered these protocols.
func (t *Transport) clientTLS(addr string, protos []string) (*tls.Config, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{}
	if t.TLSClientConfig != nil {
		cfg = t.TLSClientConfig.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = name
	}
	cfg.NextProtos = protos
	return cfg, nil
}

// handshake puts TLS over the connection, or over the TLS that it has already.
func (c *conn) handshake(ctx context.Context, cfg *tls.Config) error {
	outer, ok := c.s.(*asyncio.Stream)
	if !ok || outer.ConnectionState() == nil {
		return c.s.StartTLS(ctx, cfg)
	}
	inner, err := startNestedTLS(ctx, outer, cfg)
	if err == nil {
		c.s = inner
	}
	return err
}

// dialInTime is dial with its time limit.
func (t *Transport) dialInTime(ctx context.Context, addr string, trace *httptrace.ClientTrace) (s stream, err error) {
	limit := orDefault(t.ConnectTimeout, DefaultConnectTimeout)
	if limit <= 0 {
		return t.dial(ctx, addr, trace)
	}
	late, err := asyncio.MoveOnAfter(ctx, limit, func(ctx context.Context) (err error) {
		s, err = t.dial(ctx, addr, trace)
		return err
	})
	if late && s == nil {
		return nil, &TimeoutError{"connection"}
	}
	return s, err
}

// dial opens a connection without TLS.
func (t *Transport) dial(ctx context.Context, addr string, trace *httptrace.ClientTrace) (stream, error) {
	if trace == nil {
		return t.open(ctx, addr)
	}
	shown := addr
	var opts []asyncio.ConnOption
	if host, port, err := net.SplitHostPort(addr); err == nil && t.DialContext == nil {
		if _, err := netip.ParseAddr(host); err != nil {
			ips, err := lookup(ctx, host, trace)
			if err != nil {
				return nil, err
			}
			shown = net.JoinHostPort(ips[0].String(), port)
			opts = append(opts, asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) {
				return ips, nil
			}))
		}
	}
	if trace.ConnectStart != nil {
		trace.ConnectStart("tcp", shown)
	}
	s, err := t.open(ctx, addr, opts...)
	if trace.ConnectDone != nil {
		if err == nil {
			shown = s.RemoteAddr().String()
		}
		trace.ConnectDone("tcp", shown, err)
	}
	return s, err
}

func (t *Transport) open(ctx context.Context, addr string, opts ...asyncio.ConnOption) (stream, error) {
	var s *asyncio.Stream
	var err error
	if t.DialContext != nil {
		s, err = t.DialContext(ctx, "tcp", addr)
	} else {
		s, err = asyncio.OpenConnection(ctx, "tcp", addr, opts...)
	}
	if err != nil {
		return nil, err // and not a stream that is a nil *asyncio.Stream
	}
	return s, nil
}

// lookup resolves a name, and calls the hooks for that on the loop's
// goroutine: net.Resolver would call them on the executor's.
func lookup(ctx context.Context, host string, trace *httptrace.ClientTrace) ([]netip.Addr, error) {
	if trace.DNSStart != nil {
		trace.DNSStart(httptrace.DNSStartInfo{Host: host})
	}
	ips, known, err := hook.LookupNetIP(ctx, "ip", host)
	if !known && err == nil {
		ips, err = asyncio.ToThread(ctx, func(job context.Context) ([]netip.Addr, error) {
			plain, cancel := context.WithCancel(context.Background())
			defer cancel()
			defer context.AfterFunc(job, cancel)()
			return net.DefaultResolver.LookupNetIP(plain, "ip", host)
		})
	}
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	if trace.DNSDone != nil {
		info := httptrace.DNSDoneInfo{Err: err}
		for _, ip := range ips {
			info.Addrs = append(info.Addrs, net.IPAddr{IP: ip.Unmap().AsSlice(), Zone: ip.Zone()})
		}
		trace.DNSDone(info)
	}
	return ips, err
}

// address returns the host and port of a URL, with the scheme's port where it
// names none.
func address(u *url.URL) string {
	host, port := u.Hostname(), u.Port()
	if ascii, err := requesturi.ASCIIHost(host); err == nil {
		host = ascii
	}
	host = strings.ToLower(host)
	if port == "" {
		switch u.Scheme {
		case "https":
			port = "443"
		case "socks5", "socks5h":
			port = "1080"
		default:
			port = "80"
		}
	}
	return net.JoinHostPort(host, port)
}
