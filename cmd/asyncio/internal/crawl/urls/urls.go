// Package urls has the canonical form of the URLs of the web: one text for all
// ways to write the same address, by RFC 3986 and IDNA, read as leniently as
// browsers read them.
package urls

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// A URL is the canonical form of an http or https URL: without user, password
// and fragment. Two URLs of the same address are equal. The zero value is none.
type URL struct {
	Secure bool   // https
	Host   string // in lower case and ASCII, with the port where it is not the scheme's own
	Target string // path and query; never empty
}

var (
	// ErrScheme is the error of a URL that is neither http nor https.
	ErrScheme = errors.New("the URL is neither http nor https")
	// ErrHost is the error of a URL whose host is none.
	ErrHost = errors.New("the URL has no host, or one that cannot be")
)

// Parse reads an absolute URL. One without a scheme is http.
func Parse(s string) (URL, error) {
	s = clean(s)
	if scheme, _, ok := cutScheme(s); !ok || !strings.Contains(s, "://") && scheme != "http" && scheme != "https" {
		s = "http://" + s
	}
	return URL{}.Resolve(s)
}

// Origin is the scheme and the host: what politeness is about.
func (u URL) Origin() string {
	if u.Secure {
		return "https://" + u.Host
	}
	return "http://" + u.Host
}

func (u URL) String() string { return u.Origin() + u.Target }

// Split returns the URL that s, the String of one, stands for.
func Split(s string) URL {
	rest, secure := strings.CutPrefix(s, "https://")
	if !secure {
		rest = strings.TrimPrefix(rest, "http://")
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return URL{secure, rest, "/"}
	}
	return URL{secure, rest[:i], rest[i:]}
}

// URL returns u for package net/url, which keeps it as it is written.
func (u URL) URL() *url.URL {
	path, query, has := strings.Cut(u.Target, "?")
	out := &url.URL{Scheme: "http", Host: u.Host, RawPath: path, RawQuery: query, ForceQuery: has && query == ""}
	if u.Secure {
		out.Scheme = "https"
	}
	var err error
	if out.Path, err = url.PathUnescape(path); err != nil { // cannot be: percent signs are all encoded
		out.Path, out.RawPath = path, ""
	}
	return out
}

// Hostname is the host without its port, and without the brackets of an address.
func (u URL) Hostname() string {
	host, _ := splitPort(u.Host)
	return strings.Trim(host, "[]")
}

// Path is the target without its query.
func (u URL) Path() string {
	path, _, _ := strings.Cut(u.Target, "?")
	return path
}

// Resolve returns the URL that a reference in a document at u leads to.
func (u URL) Resolve(ref string) (URL, error) {
	ref = clean(ref)
	if scheme, rest, ok := cutScheme(ref); ok {
		secure := scheme == "https"
		if !secure && scheme != "http" {
			return URL{}, ErrScheme
		}
		if rest, ok := cutSlashes(rest); ok || u.Host == "" || secure != u.Secure {
			return absolute(secure, rest)
		}
		ref = rest // "http:a" is relative to an http document
	}
	if u.Host == "" {
		return URL{}, ErrHost
	}
	if i := strings.IndexByte(ref, '#'); i >= 0 {
		ref = ref[:i]
	}
	if ref == "" {
		return u, nil
	}
	if ref[0] == '?' {
		u.Target = u.Path() + "?" + normalQuery(ref[1:])
		return u, nil
	}
	path, query, has := strings.Cut(ref, "?")
	path = strings.ReplaceAll(path, `\`, "/")
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		if has {
			rest += "?" + query
		}
		return absolute(u.Secure, rest)
	}
	if path[0] != '/' {
		base := u.Path()
		path = base[:strings.LastIndexByte(base, '/')+1] + path
	}
	u.Target = normalPath(path)
	if has {
		u.Target += "?" + normalQuery(query)
	}
	return u, nil
}

// absolute returns the URL of what stands after the slashes.
func absolute(secure bool, rest string) (URL, error) {
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	rest, query, has := strings.Cut(rest, "?")
	rest = strings.ReplaceAll(rest, `\`, "/")
	authority, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	host, err := normalHost(authority, secure)
	if err != nil {
		return URL{}, err
	}
	u := URL{Secure: secure, Host: host, Target: normalPath(path)}
	if has {
		u.Target += "?" + normalQuery(query)
	}
	return u, nil
}

// clean takes out what browsers do not see in a URL: space around it, and tabs
// and line ends inside.
func clean(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	}
	return s
}

// cutScheme splits the scheme off, in lower case.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return strings.ToLower(s[:i]), s[i+1:], true
		default:
			return "", s, false
		}
	}
	return "", s, false
}

// cutSlashes takes the slashes off that begin an authority, however many there
// are, and reports whether there were two or more.
func cutSlashes(s string) (rest string, ok bool) {
	rest = strings.TrimLeft(s, `/\`)
	return rest, len(s)-len(rest) >= 2
}

// host is the profile by which browsers read names: lenient about what is
// registered, strict about what a name may contain.
var host = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// normalHost returns a host and port in their one form.
func normalHost(authority string, secure bool) (string, error) {
	name, port := splitPort(authority)
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return "", ErrHost
		}
		if port = strconv.FormatUint(n, 10); port == "80" && !secure || port == "443" && secure {
			port = ""
		}
	}
	name, err := normalName(name)
	if err != nil {
		return "", err
	}
	if port != "" {
		name += ":" + port
	}
	return name, nil
}

// normalName returns the name or the address of a host in its one form.
func normalName(name string) (string, error) {
	if strings.HasPrefix(name, "[") {
		return normalAddress6(name)
	}
	name, err := ascii(bare(name))
	if err != nil {
		return "", err
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#%/<>?@[\\]^`{|}:", c) >= 0 {
			return "", ErrHost
		}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" || len(name) > 253 || strings.Contains(name, "..") || name[0] == '.' {
		return "", ErrHost
	}
	if !isNumber(last) {
		return name, nil
	}
	// A name cannot end in a number. Forms of addresses that only C's library
	// knows, such as 127.1, are no hosts of the web.
	a, err := netip.ParseAddr(name)
	if err != nil {
		return "", ErrHost
	}
	return a.String(), nil
}

func normalAddress6(name string) (string, error) {
	inside, ok := strings.CutSuffix(name[1:], "]")
	a, err := netip.ParseAddr(inside)
	if !ok || err != nil || !a.Is6() || a.Zone() != "" {
		return "", ErrHost
	}
	return "[" + a.String() + "]", nil
}

// ascii returns a name as IDNA writes it.
func ascii(name string) (string, error) {
	if !strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 || r == '%' }) && !strings.Contains(name, "xn--") {
		return name, nil
	}
	decoded, err := url.PathUnescape(name)
	if err != nil || !utf8.ValidString(decoded) {
		return "", ErrHost
	}
	out, err := host.ToASCII(decoded)
	if err != nil {
		return "", ErrHost
	}
	out = bare(out)
	if again, err := host.ToASCII(out); err != nil || again != out {
		return "", ErrHost // its form has another form
	}
	return out, nil
}

// bare returns a name in lower case and without the dot of the root.
func bare(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

func isNumber(s string) bool {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		_, err := strconv.ParseUint(hex, 16, 64)
		return err == nil || hex == ""
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// splitPort splits a host and its port, of which there may be none.
func splitPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, ""
	}
	return authority[:i], authority[i+1:]
}
