package store

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// Kind is what a file holds. Its name tells, so that a crawl that is resumed
// knows it also where the journal does not.
type Kind uint8

const (
	Other        Kind = iota
	HTML              // a page
	HTMLNoFollow      // a page whose links are not to be followed
	CSS               // a style sheet
)

// added are the ends that names of a kind get which have not their own.
var added = [...]string{Other: "_.data", HTML: "_.html", HTMLNoFollow: "_.nofollow.html", CSS: "_.css"}

// indexes are the names for URLs that end with a slash.
var indexes = [...]string{Other: "index.data", HTML: "index.html", HTMLNoFollow: "index.nofollow.html", CSS: "index.css"}

// Name returns the name of the file for what a URL holds, with slashes, below
// the directory of the crawl. Different URLs have different names, and so has
// one URL with two kinds; no name leads out of the directory, none is the
// directory of another, and each part of it is a name on every system.
//
// It is that of the URL where that can be: http://h/a/b.html becomes
// h+http/a/b.html, and https://h/a/ h/a/index.html. A name that has not the
// extension of its kind gets it after an underscore, and a directory with a dot
// in its name gets an underscore: so names are never the same by accident.
func Name(u urls.URL, k Kind) string {
	path, query, hasQuery := strings.Cut(u.Target, "?")
	parts := strings.Split(path[1:], "/")
	var b strings.Builder
	b.WriteString(part(hostName(u)))
	last := len(parts) - 1
	for _, dir := range parts[:last] {
		b.WriteByte('/')
		if dir == "" {
			dir = "%" // an empty one has a name, too
		} else if strings.Contains(dir, ".") {
			dir += "_"
		}
		b.WriteString(part(dir))
	}
	name := parts[last]
	if hasQuery {
		name += "?" + query
	}
	b.WriteByte('/')
	b.WriteString(part(fileName(name, k)))
	return b.String()
}

// hostName is the name of the directory for a host.
func hostName(u urls.URL) string {
	host, port, _ := strings.Cut(u.Host, ":")
	if i := strings.LastIndexByte(u.Host, ']'); i >= 0 { // an address of version 6
		host, port = u.Host[:i+1], strings.TrimPrefix(u.Host[i+1:], ":")
	}
	switch {
	case u.Secure && port == "":
		return host
	case u.Secure:
		return host + "+" + port
	case port == "":
		return host + "+http"
	}
	return host + "+http+" + port
}

// fileName returns a name with the extension of its kind.
func fileName(name string, k Kind) string {
	switch {
	case name == "":
		return indexes[k]
	case natural(name) == k && !made(name):
		return name
	}
	return name + added[k]
}

// natural is the kind that a name looks like.
func natural(name string) Kind {
	switch {
	case strings.HasSuffix(name, ".html") || strings.HasSuffix(name, ".htm"):
		return HTML
	case strings.HasSuffix(name, ".css"):
		return CSS
	}
	return Other
}

// made reports whether a name may be what another one was made into, or that of
// a directory.
func made(name string) bool {
	if slices.Contains(indexes[:], name) || strings.HasSuffix(name, "_") || !strings.Contains(name, ".") {
		return true
	}
	for _, end := range added {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// maxPart is the longest name, in bytes. Most systems take 255.
const maxPart = 240

// part makes a name of a part of a URL: what not every system takes is encoded
// with small letters, which no canonical URL has, and one that is too long is cut
// off and gets a hash of all of it.
func part(s string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, len(s)+8)
	upper := false
	for i, c := range []byte(s) {
		upper = upper || 'A' <= c && c <= 'Z'
		if !portable(c) || c == '.' && (i == len(s)-1 || i == 0 && strings.Trim(s, ".") == "") {
			b = append(b, '%', digits[c>>4], digits[c&15])
			continue
		}
		b = append(b, c)
	}
	if reserved(s) {
		b = append(b, "%~"...)
	}
	if len(b) > maxPart || upper && foldsCase {
		sum := sha256.Sum256([]byte(s))
		ext := ""
		if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i <= 6 {
			ext = string(b[len(b)-(len(s)-i):])
		}
		b = append(b[:min(len(b)-len(ext), maxPart-len(ext)-34)], "%~"...)
		b = append(b, hex.EncodeToString(sum[:16])...)
		b = append(b, ext...)
	}
	return string(b)
}

// portable reports whether each system takes a byte in a name.
func portable(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`:*?"<>|\/`, c) < 0
}

// foldsCase is whether names that differ in the case of their letters may be the
// same.
const foldsCase = runtime.GOOS == "windows" || runtime.GOOS == "darwin"

// reserved reports whether a name is that of a device on Windows.
func reserved(s string) bool {
	base, _, _ := strings.Cut(strings.ToLower(s), ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")) && '0' <= base[3] && base[3] <= '9'
}
