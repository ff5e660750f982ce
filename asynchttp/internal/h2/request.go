package h2

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
)

// requestParts are what a request's header says, beside the fields themselves.
type requestParts struct {
	method, uri, host string
	url               *url.URL
	header            http.Header
	trailer           http.Header // those that are announced, without values
	expects           bool        // the client waits for 100 Continue
}

// newRequestParts takes a request's header apart. Its error says what is
// malformed.
func newRequestParts(b *block) (requestParts, error) {
	p := requestParts{method: b.method, uri: b.path, host: b.authority, header: b.header}
	switch {
	case !validMethod(b.method):
		return p, errors.New("no valid :method")
	case b.method == http.MethodConnect:
		if b.path != "" || b.scheme != "" || b.authority == "" {
			return p, errors.New("CONNECT with a path, or without an authority")
		}
	case b.scheme != "http" && b.scheme != "https":
		return p, errors.New("no valid :scheme")
	case b.path == "" || b.path[0] != '/' && b.path != "*":
		return p, errors.New("no valid :path")
	}
	if hosts, ok := b.header["Host"]; ok {
		if len(hosts) > 1 || p.host != "" && hosts[0] != p.host {
			return p, errors.New("several hosts")
		}
		p.host = hosts[0]
		delete(b.header, "Host")
	}
	if strings.IndexByte(p.host, '@') >= 0 || !httpguts.ValidHostHeader(p.host) {
		return p, errors.New("no valid :authority")
	}
	if b.method == http.MethodConnect {
		p.url, p.uri = &url.URL{Host: p.host}, p.host
	} else {
		u, err := requesturi.Parse(b.path)
		if err != nil {
			return p, errors.New("no valid :path")
		}
		p.url = u
	}
	p.fields()
	return p, nil
}

// fields takes out what is no header of the request's.
func (p *requestParts) fields() {
	h := p.header
	if cookies := h["Cookie"]; len(cookies) > 1 {
		h["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	if v, ok := h["Expect"]; ok && httpguts.HeaderValuesContainsToken(v, "100-continue") {
		p.expects = true
		delete(h, "Expect")
	}
	if names, ok := h["Trailer"]; ok {
		for _, v := range names {
			for name := range strings.SplitSeq(v, ",") {
				name = http.CanonicalHeaderKey(strings.TrimSpace(name))
				if name != "" && !forbiddenTrailer(name) {
					if p.trailer == nil {
						p.trailer = make(http.Header)
					}
					p.trailer[name] = nil
				}
			}
		}
		delete(h, "Trailer")
	}
}

// forbiddenTrailer reports whether a header must not come after the body.
func forbiddenTrailer(name string) bool {
	switch name {
	case "Transfer-Encoding", "Content-Length", "Trailer":
		return true
	}
	return false
}

func validMethod(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// urgency returns what a request says of its priority.
func urgency(h http.Header) (uint8, bool) {
	v, ok := h["Priority"]
	if !ok {
		return 0, false
	}
	return parseUrgency(v[0])
}

// parseUrgency returns the urgency of a priority field: RFC 9218, 4.1. All else
// in it is passed over.
func parseUrgency(v string) (uint8, bool) {
	for part := range strings.SplitSeq(v, ",") {
		part = strings.TrimSpace(part)
		if len(part) == 3 && part[:2] == "u=" && '0' <= part[2] && part[2] < '0'+urgencies {
			return part[2] - '0', true
		}
	}
	return 0, false
}
