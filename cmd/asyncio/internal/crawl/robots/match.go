package robots

import "strings"

// rule is one Allow or Disallow line.
type rule struct {
	allow  bool
	length int      // of the pattern, in octets, which decides between rules
	parts  []string // of the pattern, between its stars
	end    bool     // the pattern ends with $: all of the path has to match
}

func newRule(allow bool, pattern string) rule {
	r := rule{allow: allow, length: len(pattern)}
	pattern, r.end = strings.CutSuffix(pattern, "$")
	query := false
	for part := range strings.SplitSeq(pattern, "*") {
		r.parts = append(r.parts, normal(part, query))
		query = query || strings.Contains(part, "?")
	}
	return r
}

// matches reports whether the pattern is that of the path. A star is any number
// of characters. To take the first place for each part is enough, but for the
// last one of a pattern that ends with $.
func (r *rule) matches(path string) bool {
	last := len(r.parts) - 1
	for i, part := range r.parts {
		switch {
		case i == last && r.end && i == 0:
			return path == part
		case i == last && r.end:
			return strings.HasSuffix(path, part)
		case i == 0:
			if !strings.HasPrefix(path, part) {
				return false
			}
			path = path[len(part):]
		default:
			at := strings.Index(path, part)
			if at < 0 {
				return false
			}
			path = path[at+len(part):]
		}
	}
	return true
}

// normalTarget is the path and query of a URL in the form in which they are
// compared.
func normalTarget(target string) string {
	path, query, has := strings.Cut(target, "?")
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	path = normal(path, false)
	if has {
		path += "?" + normal(query, true)
	}
	return path
}

const upperHex = "0123456789ABCDEF"

// normal makes two texts the same that RFC 9309 takes for the same: what is not
// ASCII is percent-encoded, what need not be encoded is not, and digits are in
// upper case. In a query a reserved character and its encoding are the same.
// Stars and dollars that are not special are encoded.
// query is whether s begins inside a query.
func normal(s string, query bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r == '%' || mustEncode(byte(r)) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, encoded := decode(s[i:])
		if encoded {
			i += 2
		}
		query = query || c == '?' && !encoded
		switch {
		case encoded && (unreserved(c) || query && reserved(c)):
			b.WriteByte(c)
		case encoded || mustEncode(c):
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// mustEncode reports whether a byte is never left as it is.
func mustEncode(c byte) bool { return c >= 0x80 || c == '*' || c == '$' }

// decode returns the first byte of s, and whether it is encoded there.
func decode(s string) (c byte, encoded bool) {
	if s[0] == '%' && len(s) > 2 && isHex(s[1]) && isHex(s[2]) {
		return unhex(s[1])<<4 | unhex(s[2]), true
	}
	return s[0], false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

func unreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("-._~", c) >= 0
}

// reserved reports whether c is a delimiter of RFC 3986 that means nothing to
// us, neither in a pattern nor in a query.
func reserved(c byte) bool { return strings.IndexByte(":/?[]@!&'()+,;=", c) >= 0 }
