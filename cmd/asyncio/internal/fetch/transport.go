package fetch

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// handshakeTimeout is curl's, for all of connecting.
const handshakeTimeout = 300 * time.Second

// newTransport makes what requests go through.
func newTransport(o *Options) (*asynchttp.Transport, error) {
	proxy, err := proxyFunc(o, os.Getenv)
	if err != nil {
		return nil, err
	}
	parallel, _ := o.parallel()
	idle := 2 * parallel
	if o.MaxIdle > 0 {
		idle = min(o.MaxIdle, max(idle, openFiles()/2))
	}
	t := &asynchttp.Transport{
		ConnectTimeout:      -1, // the transfer has limits of its own
		Proxy:               proxy,
		TLSClientConfig:     o.TLS,
		DisableCompression:  true,             // what is asked for and unpacked is decided here
		TLSHandshakeTimeout: handshakeTimeout, // --connect-timeout may be shorter, and has a timer of its own
		MaxIdleConns:        idle,
		ReadBufferSize:      8 << 10,
		Protocols:           o.HTTP.protocols(),
	}
	if len(o.Resolve) > 0 || o.CheckAddr != nil {
		t.DialContext = o.dial
	}
	return t, nil
}

// protocols returns what a transport is to speak; nil is its default.
func (v HTTPVersion) protocols() *http.Protocols {
	p := new(http.Protocols)
	switch v {
	case HTTP1:
		p.SetHTTP1(true)
	case HTTP2Only:
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(true)
	default:
		return nil
	}
	return p
}

// dial opens a connection, to the addresses that a rule has for the host or else
// to those that its name has.
func (o *Options) dial(ctx context.Context, network, address string) (*asyncio.Stream, error) {
	addrs := o.resolved(address)
	check := o.CheckAddr
	if check == nil || o.isProxy(address) {
		check = func(netip.Addr) error { return nil }
	}
	// A literal address is never resolved.
	if host, _, err := net.SplitHostPort(address); err == nil {
		if a, err := netip.ParseAddr(host); err == nil {
			if err := check(a); err != nil {
				return nil, err
			}
		}
	}
	return asyncio.OpenConnection(ctx, network, address, asyncio.WithResolver(
		func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			found := addrs
			if found == nil {
				var err error
				if found, err = net.DefaultResolver.LookupNetIP(withoutValues{ctx}, network, host); err != nil {
					return nil, err
				}
			}
			return allowed(found, check)
		}))
}

// allowed returns the addresses that pass the check, or the error of one that
// does not when there are none. What it returns is connected to, so no second
// look-up can put another address in its place.
func allowed(addrs []netip.Addr, check func(netip.Addr) error) ([]netip.Addr, error) {
	good := make([]netip.Addr, 0, len(addrs))
	var refused error
	for _, a := range addrs {
		if err := check(a); err != nil {
			refused = err
			continue
		}
		good = append(good, a)
	}
	if len(good) == 0 && refused != nil {
		return nil, refused
	}
	return good, nil
}

// withoutValues is a context without its values: among them is a trace, whose
// functions are for the loop's goroutine, and the resolver's is another.
type withoutValues struct{ context.Context }

func (withoutValues) Value(any) any { return nil }

// resolved returns the addresses of the rule for a host and port.
func (o *Options) resolved(address string) []netip.Addr {
	if len(o.Resolve) == 0 {
		return nil
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil
	}
	host = strings.ToLower(host)
	var found []netip.Addr
	for _, r := range o.Resolve {
		if r.Port == uint16(port) && (r.Host == host || r.Host == "*" && found == nil) {
			found = r.Addrs // the last one counts, and a name before the star
		}
	}
	return found
}
