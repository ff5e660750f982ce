package h2

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// On the wire the names of headers are in lower case, in an [http.Header] they
// are canonical. The usual ones are known both ways.
var canonicalNames, lowerNames = usualNames()

func usualNames() (canonical, lower map[string]string) {
	usual := strings.Fields(`accept accept-charset accept-encoding accept-language accept-ranges
		access-control-allow-credentials access-control-allow-headers access-control-allow-methods
		access-control-allow-origin access-control-expose-headers access-control-max-age
		access-control-request-headers access-control-request-method age allow alt-svc authorization
		cache-control content-disposition content-encoding content-language content-length
		content-location content-range content-security-policy content-type cookie date etag expect
		expires forwarded from host if-match if-modified-since if-none-match if-range
		if-unmodified-since last-modified link location max-forwards origin priority
		proxy-authenticate proxy-authorization range referer referrer-policy refresh retry-after
		sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user server set-cookie
		strict-transport-security te trailer traceparent upgrade-insecure-requests user-agent vary
		via www-authenticate x-content-type-options x-forwarded-for x-forwarded-host
		x-forwarded-proto x-frame-options x-real-ip x-request-id x-requested-with`)
	canonical, lower = make(map[string]string, len(usual)), make(map[string]string, len(usual))
	for _, name := range usual {
		c := http.CanonicalHeaderKey(name)
		canonical[name], lower[c] = c, name
	}
	return canonical, lower
}

// lowerName returns the name of a header as it is on the wire.
func lowerName(name string) string {
	if l, ok := lowerNames[name]; ok {
		return l
	}
	return strings.ToLower(name)
}

// A nameCache knows the canonical form of the names that peers have sent, a
// bounded number of them.
type nameCache struct{ known map[string]string }

const maxCachedNames = 500

// canonical returns the name of a header as it is in an http.Header; empty when
// it is none that may be on the wire.
func (c *nameCache) canonical(name string) string {
	if s, ok := canonicalNames[name]; ok {
		return s
	}
	if s, ok := c.known[name]; ok {
		return s
	}
	if !httpguts.ValidHeaderFieldName(name) || hasUpper(name) {
		return ""
	}
	s := http.CanonicalHeaderKey(name)
	if c.known == nil {
		c.known = make(map[string]string)
	}
	if len(c.known) < maxCachedNames && len(name) < 64 {
		c.known[strings.Clone(name)] = s
	}
	return s
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// connectionSpecific reports whether a header, by its name on the wire, is one
// of HTTP/1's connections. RFC 9113, 8.2.2.
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}
