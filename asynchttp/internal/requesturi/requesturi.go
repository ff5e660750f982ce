// Package requesturi reads what a request asks for, for all versions of HTTP.
package requesturi

import (
	"net/url"
	"strings"
)

// Parse is [url.ParseRequestURI]. Most paths have nothing in them that is to be
// unescaped, or that looks like a scheme or a host; those need no parser.
func Parse(uri string) (*url.URL, error) {
	path, query, asks := strings.Cut(uri, "?")
	if !plain(path) || asks && !visible(query) {
		return url.ParseRequestURI(uri)
	}
	return &url.URL{Path: path, RawQuery: query}, nil
}

// plain reports whether s is a path that is the same escaped and unescaped.
func plain(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '/' <= c && c <= '9':
		case c == '-' || c == '.' || c == '_' || c == '~':
		default:
			return false
		}
	}
	return true
}

// visible reports whether s is not empty and has neither spaces nor control
// characters.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
