// Package robots reads robots.txt files and answers what they allow, as RFC
// 9309 says.
//
// Where the RFC leaves a choice, it is made as Google's parser makes it: a line
// may lack its colon, a line is cut off after 16 KiB, and to allow
// /dir/index.html is to allow /dir/. Crawl-delay and Sitemap, which the RFC does
// not define, are read too.
package robots

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// MaxSize is how many bytes of a file are read; the RFC wants at least these.
const MaxSize = 500 << 10

// MaxRedirects is how many redirects lead to a file.
const MaxRedirects = 5

// Rules is what a file says to one crawler. The zero value allows everything.
// It does not change, so any goroutine may use it.
type Rules struct {
	rules []rule // the longest first, and Allow before Disallow
	// Delay is the pause between two requests that the file asks for; 0: none.
	Delay time.Duration
	// Sitemaps are the URLs of the sitemaps that the file names, as they stand
	// there.
	Sitemaps []string
}

// DisallowAll returns rules that allow nothing, for a host whose file cannot be
// had.
func DisallowAll() *Rules { return &Rules{rules: []rule{newRule(false, "/")}} }

// Token returns the product token of a User-Agent header: what a file may name.
func Token(userAgent string) string {
	for i, c := range []byte(userAgent) {
		if c != '-' && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return userAgent[:i]
		}
	}
	return userAgent
}

// Parse returns the rules of a file for the crawler with this product token.
// Every file can be read: lines that make no sense are passed over.
func Parse(file []byte, token string) *Rules {
	p := parser{token: token}
	if len(file) > MaxSize {
		file = file[:MaxSize]
	}
	text := string(file)
	for _, mark := range []string{"\xef\xbb\xbf", "\xef\xbb", "\xef"} { // also half of a byte order mark
		if rest, ok := strings.CutPrefix(text, mark); ok {
			text = rest
			break
		}
	}
	for text != "" {
		line := text
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = ""
		}
		p.line(line)
	}
	return p.rules()
}

// Allowed reports whether a path with its query may be fetched. The longest
// rule that matches decides, and of two of a length the one that allows.
func (r *Rules) Allowed(target string) bool {
	if r == nil || len(r.rules) == 0 {
		return true
	}
	target = normalTarget(target)
	for i := range r.rules {
		if r.rules[i].matches(target) {
			return r.rules[i].allow
		}
	}
	return true
}

// group is what is said to one crawler, or to all.
type group struct {
	named bool // somewhere in the file
	rules []rule
	delay time.Duration
}

func (g *group) add(allow bool, pattern string) {
	if pattern == "" {
		return // it matches nothing
	}
	g.rules = append(g.rules, newRule(allow, pattern))
	if dir, ok := strings.CutSuffix(pattern, "/index.html"); allow && ok {
		g.rules = append(g.rules, newRule(true, dir+"/$"))
	}
}

func (r *Rules) sort() {
	slices.SortStableFunc(r.rules, func(a, b rule) int {
		if a.length != b.length {
			return cmp.Compare(b.length, a.length)
		}
		switch {
		case a.allow == b.allow:
			return 0
		case a.allow:
			return -1
		}
		return 1
	})
}
