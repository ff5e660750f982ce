package asynchttp

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
)

// plainRequest reads the header of a request into req, where that has come whole
// and leaves no question open: HTTP/1.1, lines that end as they should, one Host,
// nothing in names and values but visible ASCII, no body and nothing else that says
// how the connection goes on. Nearly all requests are so. It returns the size of
// the header, and 0 where the request is another, which is for net/http to judge,
// and to refuse: what this function takes, [http.ReadRequest] takes too, and makes
// the same of it.
//
// The strings of the request share one piece of memory, so whoever keeps one keeps
// the header.
func plainRequest(req *http.Request, p []byte, maxLines int, names *fieldNames) (size int) {
	size = bytes.Index(p, headerEnd) + len(headerEnd)
	if size < len(headerEnd) {
		return 0
	}
	line, rest, _ := strings.Cut(string(p[:size-len(crlf)]), "\r\n")
	method, line, _ := strings.Cut(line, " ")
	uri, is11 := strings.CutSuffix(line, " HTTP/1.1")
	if !is11 || !isToken(method) || method == http.MethodConnect || uri == "" || uri[0] != '/' || strings.IndexByte(uri, ' ') >= 0 {
		return 0
	}
	u, err := requesturi.Parse(uri)
	if err != nil {
		return 0
	}
	lines := strings.Count(rest, "\n")
	if lines >= maxLines {
		return 0
	}
	header, values := make(http.Header, lines), make([]string, lines)
	host, hosts := "", 0
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		i := strings.IndexByte(line, ':')
		if i < 0 || !isToken(line[:i]) || !isText(line[i+1:]) {
			return 0
		}
		name, value := names.canonical(line[:i]), textproto.TrimString(line[i+1:])
		switch name {
		case "Host":
			host = value
			hosts++
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return 0
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma":
			return 0
		}
		if vs, ok := header[name]; ok {
			header[name] = append(vs, value)
			continue
		}
		values[0] = value
		header[name], values = values[:1:1], values[1:]
	}
	if hosts != 1 || !httpguts.ValidHostHeader(host) {
		return 0
	}
	req.Method, req.URL, req.RequestURI, req.Host = method, u, uri, host
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.Header, req.Body = header, http.NoBody
	return size
}

var headerEnd = []byte("\r\n\r\n")

// isToken reports whether s is a token: the name of a method or a field.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// tokenBytes are the characters of a token. RFC 9110, 5.6.2.
var tokenBytes = func() (t [256]bool) {
	for i := range t {
		t[i] = httpguts.IsTokenRune(rune(i))
	}
	return t
}()

// isText reports whether s has nothing but visible ASCII, spaces and tabs.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// A fieldNames knows the canonical form of the names that clients have sent, a
// bounded number of them.
type fieldNames struct{ known map[string]string }

const (
	maxFieldNames   = 500
	maxFieldNameLen = 64
)

// canonical returns the name of a field as it is in an [http.Header].
func (f *fieldNames) canonical(name string) string {
	if s, ok := f.known[name]; ok {
		return s
	}
	name = strings.Clone(name) // not the whole header
	s := http.CanonicalHeaderKey(name)
	if f.known == nil {
		f.known = make(map[string]string)
	}
	if len(f.known) < maxFieldNames && len(name) <= maxFieldNameLen {
		f.known[name] = s
	}
	return s
}
