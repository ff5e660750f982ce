package asynchttp

import "net/http"

// Versions of HTTP, as TLS names them.
const (
	protoHTTP1 = "http/1.1"
	protoHTTP2 = "h2"
)

// versions is which versions of HTTP are spoken.
type versions struct {
	http1   bool
	http2   bool // over TLS
	plainH2 bool // without TLS, by prior knowledge
}

// versionsOf returns what a Protocols field says; def is what nil means.
func versionsOf(p *http.Protocols, def versions) versions {
	if p == nil {
		return def
	}
	return versions{http1: p.HTTP1(), http2: p.HTTP2(), plainH2: p.UnencryptedHTTP2()}
}

// alpn is what is offered in a TLS handshake.
func (v versions) alpn() []string {
	var names []string
	if v.http2 {
		names = append(names, protoHTTP2)
	}
	if v.http1 {
		names = append(names, protoHTTP1)
	}
	return names
}
