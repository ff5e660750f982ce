// Package links finds what a document refers to: pages that it links to, and
// what a browser loads to show it. It can also write the document with other
// references in their place.
package links

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/net/html/atom"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// Type is the type of a document, as far as links are concerned.
type Type uint8

const (
	Other Type = iota // nothing that has links
	HTML
	CSS
)

// TypeOf returns the type that a Content-Type names. Where there is none, the
// begin of the body decides, as in browsers.
func TypeOf(contentType string, body []byte) Type {
	if contentType == "" {
		contentType = http.DetectContentType(body)
	}
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		name, _, _ = strings.Cut(contentType, ";")
		name = strings.ToLower(strings.TrimSpace(name))
	}
	switch name {
	case "text/html", "application/xhtml+xml":
		return HTML
	case "text/css":
		return CSS
	}
	return Other
}

// Kind is why a document refers to a URL.
type Kind uint8

const (
	Page      Kind = iota // a link that a reader may follow
	Requisite             // what is needed to show the document: images, scripts, style sheets
)

// A Link is one reference of a document. The same URL may be referred to more
// than once.
type Link struct {
	URL      urls.URL
	Kind     Kind
	NoFollow bool // rel=nofollow stands on it
}

// A Document is what was found in one.
type Document struct {
	Links []Link
	// NoFollow is whether a meta element asks crawlers not to follow the links.
	// It holds for pages, not for requisites.
	NoFollow bool
}

// MaxLinks is how many references of a document are taken.
const MaxLinks = 50_000

// Find returns what a document at base refers to. agent is the product token
// of the crawler, which meta elements may name.
func Find(t Type, base urls.URL, body []byte, agent string) *Document {
	w := &walker{base: base, agent: agent}
	switch t {
	case HTML:
		w.html(body)
	case CSS:
		w.css(body)
	}
	return &w.doc
}

// Rewrite returns a document with other references: for each of them replace
// returns what is to stand in its place, or false to leave it as it is. What is
// not touched stays as it is, byte for byte; a base element is dropped.
func Rewrite(t Type, base urls.URL, body []byte, replace func(Link) (string, bool)) []byte {
	var out bytes.Buffer
	w := &walker{base: base, out: &out, replace: replace}
	switch t {
	case HTML:
		w.html(body)
	case CSS:
		w.css(body)
	default:
		return body
	}
	return out.Bytes()
}

// HeaderNoFollow reports whether X-Robots-Tag headers ask the crawler not to
// follow links.
func HeaderNoFollow(values []string, agent string) bool {
	for _, v := range values {
		if name, rest, ok := strings.Cut(v, ":"); ok && !strings.ContainsAny(name, ", ") {
			if !strings.EqualFold(strings.TrimSpace(name), agent) {
				continue // it is about another crawler
			}
			v = rest
		}
		if asksNoFollow(v) {
			return true
		}
	}
	return false
}

// asksNoFollow reports whether a list of directives has nofollow or none.
func asksNoFollow(list string) bool {
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r <= ' ' }) {
		if strings.EqualFold(word, "nofollow") || strings.EqualFold(word, "none") {
			return true
		}
	}
	return false
}

// walker goes through a document, to read it or to write another.
type walker struct {
	base  urls.URL
	agent string
	doc   Document

	out     *bytes.Buffer // nil when reading
	replace func(Link) (string, bool)
	based   bool // a base element was there

	in         atom.Atom // the start tag that came last
	inNoscript bool
}

// link takes one reference, and returns what is to stand in its place.
func (w *walker) link(ref string, kind Kind, noFollow bool) (string, bool) {
	u, err := w.base.Resolve(ref)
	if err != nil {
		return "", false
	}
	l := Link{u, kind, noFollow}
	if w.out != nil {
		text, ok := w.replace(l)
		if ok {
			if i := strings.IndexByte(ref, '#'); i >= 0 {
				text += ref[i:]
			}
		}
		return text, ok
	}
	if len(w.doc.Links) < MaxLinks {
		w.doc.Links = append(w.doc.Links, l)
	}
	return "", false
}
