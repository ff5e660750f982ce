package links

import (
	"bytes"
	"strconv"
	"strings"
)

// css goes through a style sheet: url(...), and @import "...".
func (w *walker) css(sheet []byte) {
	for len(sheet) > 0 {
		i := bytes.IndexAny(sheet, "/uU@\"'")
		if i < 0 {
			break
		}
		w.keep(sheet[:i])
		sheet = sheet[i:]
		var n int
		switch {
		case bytes.HasPrefix(sheet, []byte("/*")):
			n = w.verbatim(sheet, commentEnd(sheet))
		case sheet[0] == '"' || sheet[0] == '\'':
			n = w.verbatim(sheet, stringEnd(sheet))
		case hasPrefixFold(sheet, "url("):
			n = w.cssURL(sheet)
		case hasPrefixFold(sheet, "@import"):
			n = w.cssImport(sheet)
		default:
			n = w.verbatim(sheet, 1)
		}
		sheet = sheet[n:]
	}
	w.keep(sheet)
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// verbatim keeps the first n bytes.
func (w *walker) verbatim(sheet []byte, n int) int {
	w.keep(sheet[:n])
	return n
}

func commentEnd(sheet []byte) int {
	if i := bytes.Index(sheet[2:], []byte("*/")); i >= 0 {
		return i + 4
	}
	return len(sheet)
}

// stringEnd returns where the string at the begin of the sheet ends: behind its
// closing quote, or at the end of the line.
func stringEnd(sheet []byte) int {
	for i := 1; i < len(sheet); i++ {
		switch sheet[i] {
		case '\\':
			i++
		case sheet[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(sheet)
}

const cssSpace = " \t\r\n\f"

// cssURL takes a url(...), and returns how many bytes it has.
func (w *walker) cssURL(sheet []byte) int {
	const open = len("url(")
	rest := sheet[open:]
	space := len(rest) - len(bytes.TrimLeft(rest, cssSpace))
	at := open + space
	rest = rest[space:]
	if len(rest) > 0 && (rest[0] == '"' || rest[0] == '\'') {
		return w.cssString(sheet, at)
	}
	n := bytes.IndexByte(rest, ')')
	if n < 0 {
		return w.verbatim(sheet, len(sheet))
	}
	to := bytes.TrimRight(rest[:n], cssSpace)
	w.keep(sheet[:at])
	w.cssLink(to, nil)
	return at + len(to)
}

// cssImport takes an @import with a string. One with url() is found as such.
func (w *walker) cssImport(sheet []byte) int {
	const word = len("@import")
	rest := sheet[word:]
	at := word + len(rest) - len(bytes.TrimLeft(rest, cssSpace))
	if at < len(sheet) && (sheet[at] == '"' || sheet[at] == '\'') {
		return w.cssString(sheet, at)
	}
	return w.verbatim(sheet, word)
}

// cssString takes the string at a place as a URL.
func (w *walker) cssString(sheet []byte, at int) int {
	n := stringEnd(sheet[at:])
	text := sheet[at : at+n]
	w.keep(sheet[:at])
	if n < 2 || text[n-1] != text[0] {
		w.keep(text)
		return at + n
	}
	w.cssLink(text[1:n-1], text[:1])
	return at + n
}

// cssLink takes one URL, which stands in quotes or in none.
func (w *walker) cssLink(raw, quote []byte) {
	ref := unescape(string(raw))
	if ref != "" && ref[0] != '#' {
		if text, ok := w.link(ref, Requisite, false); ok {
			if len(quote) == 0 {
				quote = []byte{'"'}
			}
			w.out.Write(quote)
			for _, c := range []byte(text) {
				if c == quote[0] || c == '\\' {
					w.out.WriteByte('\\')
				}
				w.out.WriteByte(c)
			}
			w.out.Write(quote)
			return
		}
	}
	w.keep(quote)
	w.keep(raw)
	w.keep(quote)
}

// unescape takes out the backslashes of CSS: before a character, and before its
// code in hexadecimal.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		digits := 0
		for digits < 6 && i+1+digits < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i+1+digits]) >= 0 {
			digits++
		}
		switch {
		case digits > 0:
			code, _ := strconv.ParseUint(s[i+1:i+1+digits], 16, 32) // they are digits
			b.WriteRune(rune(code))
			if i += digits; i+1 < len(s) && strings.IndexByte(cssSpace, s[i+1]) >= 0 {
				i++
			}
		case i+1 < len(s):
			i++
			if s[i] != '\n' {
				b.WriteByte(s[i])
			}
		}
	}
	return b.String()
}
