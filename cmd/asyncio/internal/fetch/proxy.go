package fetch

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// proxyFunc returns what chooses the proxy of a request: the one that the user
// named, or else the environment's http_proxy, https_proxy and all_proxy; and
// no_proxy lists the hosts without one. Unlike net/http, and like curl, hosts
// on the loopback are not an exception.
func proxyFunc(o *Options, getenv func(string) string) (func(*http.Request) (*url.URL, error), error) {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToUpper(name))
	}
	var err error
	parse := func(s string) *url.URL {
		if s == "" || err != nil {
			return nil
		}
		var u *url.URL
		u, err = ParseProxy(s)
		return u
	}
	var forHTTP, forHTTPS *url.URL
	if o.Proxy != nil {
		forHTTP = parse(*o.Proxy)
		forHTTPS = forHTTP
	} else {
		all := either("all_proxy")
		// HTTP_PROXY in capitals could come from the header "Proxy:" in a CGI
		// program, so it does not count.
		forHTTP = parse(orElse(getenv("http_proxy"), all))
		forHTTPS = parse(orElse(either("https_proxy"), all))
	}
	if err != nil {
		return nil, err
	}
	if forHTTP == nil && forHTTPS == nil {
		return nil, nil
	}
	for _, u := range []*url.URL{forHTTP, forHTTPS} {
		if u != nil {
			o.proxies = append(o.proxies, u.Host)
		}
	}
	except := parseNoProxy(either("no_proxy"))
	return func(r *http.Request) (*url.URL, error) {
		if except.has(r.URL.Hostname()) {
			return nil, nil
		}
		if r.URL.Scheme == "https" {
			return forHTTPS, nil
		}
		return forHTTP, nil
	}, nil
}

// isProxy reports whether address, a host and a port, is that of a proxy.
func (o *Options) isProxy(address string) bool { return slices.Contains(o.proxies, address) }

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// ParseProxy reads the URL of a proxy. Without a scheme it is http, and
// without a port 1080, as in curl.
func ParseProxy(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fail(BadURL, "the URL of the proxy is malformed")
	}
	switch u.Scheme = strings.ToLower(u.Scheme); u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fail(ProxyFailed, "a proxy with protocol %q is not supported", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, fail(NoProxyAddress, "the URL of the proxy has no host")
	}
	if u.Port() == "" {
		port := "1080"
		if u.Scheme == "https" {
			port = "443"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// noProxy is the hosts that are asked directly.
type noProxy struct {
	all   bool
	names []string // in lower case; a name stands for those beneath it too
	nets  []netip.Prefix
}

func parseNoProxy(s string) *noProxy {
	n := &noProxy{}
	for _, item := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		item = strings.ToLower(strings.TrimPrefix(item, "."))
		if item == "*" {
			n.all = true
		} else if p, err := netip.ParsePrefix(item); err == nil {
			n.nets = append(n.nets, p.Masked())
		} else if a, err := netip.ParseAddr(strings.Trim(item, "[]")); err == nil {
			n.nets = append(n.nets, netip.PrefixFrom(a, a.BitLen()))
		} else if item != "" {
			n.names = append(n.names, item)
		}
	}
	return n
}

func (n *noProxy) has(host string) bool {
	if n.all {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		for _, p := range n.nets {
			if p.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, name := range n.names {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}
