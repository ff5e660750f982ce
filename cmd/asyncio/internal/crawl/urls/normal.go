package urls

import "strings"

// class says what becomes of a byte of a URL.
type class uint8

const (
	encode class = iota // it must not stand as it is
	keep                // it may; its encoding is something else
	decode              // it need not be encoded
)

var inPath, inQuery = classes("!$&'()*+,;=:@/[]"), classes("!$&()*+,;=:@/?[]'")

func classes(kept string) (t [256]class) {
	for _, c := range []byte(kept) {
		t[c] = keep
	}
	for c := range t {
		if b := byte(c); '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || strings.IndexByte("-._~", b) >= 0 {
			t[c] = decode
		}
	}
	return t
}

const upperHex = "0123456789ABCDEF"

// normal encodes what must be encoded and decodes what need not be.
func normal(s string, of *[256]class) string {
	plain := true
	for i := range len(s) {
		if of[s[i]] == encode {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); i++ {
		c := s[i]
		encoded := false
		if c == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				c, encoded = hi<<4|lo, true
				i += 2
			}
		}
		if of[c] == decode || of[c] == keep && !encoded {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c&^0x20 - 'A' + 10, true
	}
	return 0, false
}

func normalQuery(q string) string { return normal(q, &inQuery) }

// normalPath returns a path that begins with a slash in its one form.
func normalPath(p string) string {
	p = normal(p, &inPath)
	if !strings.Contains(p, "/.") {
		return p
	}
	var out []string
	parts := strings.Split(p[1:], "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch part {
		case ".", "..":
			if part == ".." && len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, part)
		}
	}
	return "/" + strings.Join(out, "/")
}
