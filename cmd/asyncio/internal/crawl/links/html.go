package links

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// html goes through a document's tags.
func (w *walker) html(body []byte) {
	z := html.NewTokenizer(bytes.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			w.keep(z.Raw())
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			w.in = w.tag(z)
			continue
		case html.TextToken:
			w.text(z.Raw())
		default:
			w.keep(z.Raw())
		}
		w.in = 0
	}
}

// text looks at the text behind a start tag: the tokenizer takes a style sheet,
// and what browsers without scripts show, for plain text.
func (w *walker) text(raw []byte) {
	switch {
	case w.in == atom.Style:
		w.css(raw)
	case w.in == atom.Noscript && !w.inNoscript:
		w.inNoscript = true
		w.html(raw)
		w.inNoscript = false
	default:
		w.keep(raw)
	}
}

// keep writes a part of the document as it is.
func (w *walker) keep(raw []byte) {
	if w.out != nil {
		w.out.Write(raw)
	}
}

// tag is a start tag on its way through the walker.
type tag struct {
	name    atom.Atom
	attrs   []html.Attribute
	changed bool
}

func (t *tag) get(name string) string {
	for i := range t.attrs {
		if t.attrs[i].Key == name {
			return t.attrs[i].Val
		}
	}
	return ""
}

// hasRel reports whether the rel attribute has one of some words.
func (t *tag) hasRel(words ...string) bool {
	for rel := range strings.FieldsSeq(t.get("rel")) {
		for _, word := range words {
			if strings.EqualFold(rel, word) {
				return true
			}
		}
	}
	return false
}

// tag looks at one start tag, and returns its name.
func (w *walker) tag(z *html.Tokenizer) atom.Atom {
	raw := z.Raw()
	if w.out != nil {
		raw = bytes.Clone(raw) // reading the attributes changes it
	}
	name, more := z.TagName()
	t := tag{name: atom.Lookup(name)}
	spelled := string(name)
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		t.attrs = append(t.attrs, html.Attribute{Key: string(key), Val: string(value)})
	}
	drop := w.element(&t)
	switch {
	case w.out == nil || drop:
	case t.changed:
		w.out.WriteString(html.Token{Type: html.StartTagToken, Data: spelled, Attr: t.attrs}.String())
	default:
		w.out.Write(raw)
	}
	return t.name
}

// element takes the references of one element. It reports whether the element
// must not be in a document that is written.
func (w *walker) element(t *tag) (drop bool) {
	switch t.name {
	case atom.Base:
		if u, err := w.base.Resolve(t.get("href")); err == nil && !w.based {
			w.base, w.based = u, true
		}
		return true
	case atom.Meta:
		w.meta(t)
	case atom.A, atom.Area:
		w.attr(t, "href", Page)
	case atom.Link:
		w.linkElement(t)
	case atom.Iframe, atom.Frame:
		w.attr(t, "src", Page)
	case atom.Img, atom.Source, atom.Input, atom.Script, atom.Embed, atom.Audio, atom.Video, atom.Track:
		w.attr(t, "src", Requisite)
		w.attr(t, "poster", Requisite)
		w.srcset(t, "srcset")
	case atom.Object:
		w.attr(t, "data", Requisite)
	case atom.Image: // of SVG; there is also use, which refers to parts
		w.attr(t, "href", Requisite)
		w.attr(t, "xlink:href", Requisite)
	case atom.Body, atom.Table, atom.Td, atom.Th:
		w.attr(t, "background", Requisite)
	}
	w.style(t)
	return false
}

// attr takes the URL of an attribute.
func (w *walker) attr(t *tag, name string, kind Kind) {
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.Key != name {
			continue
		}
		if text, ok := w.link(a.Val, kind, kind == Page && t.hasRel("nofollow")); ok {
			a.Val, t.changed = text, true
		}
		return // the first one counts
	}
}

// linkElement takes the URL of a link element, whose rel says what it is.
func (w *walker) linkElement(t *tag) {
	switch {
	case t.hasRel("stylesheet", "icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "manifest", "preload", "modulepreload", "prefetch"):
		w.attr(t, "href", Requisite)
		w.srcset(t, "imagesrcset")
	case t.hasRel("canonical", "alternate", "next", "prev", "previous", "first", "last", "up", "index", "contents", "start",
		"chapter", "section", "appendix", "glossary", "help", "author", "license", "search", "bookmark", "related", "me", "amphtml"):
		w.attr(t, "href", Page)
	}
}

// meta takes the URL of a refresh, and what a document asks of crawlers.
func (w *walker) meta(t *tag) {
	content := t.get("content")
	if strings.EqualFold(t.get("http-equiv"), "refresh") {
		at, to := refreshURL(content)
		if to == "" {
			return
		}
		if text, ok := w.link(to, Page, false); ok {
			for i := range t.attrs {
				if t.attrs[i].Key == "content" {
					t.attrs[i].Val, t.changed = content[:at]+text, true
					return
				}
			}
		}
		return
	}
	if name := t.get("name"); strings.EqualFold(name, "robots") || w.agent != "" && strings.EqualFold(name, w.agent) {
		w.doc.NoFollow = w.doc.NoFollow || asksNoFollow(content)
	}
}

// refreshURL returns the URL of a refresh such as "5; url='/a'", and where it
// begins.
func refreshURL(content string) (at int, to string) {
	i := strings.IndexAny(content, ";,")
	if i < 0 {
		return 0, ""
	}
	rest := strings.TrimLeft(content[i+1:], " \t\r\n\f")
	if len(rest) >= 3 && strings.EqualFold(rest[:3], "url") {
		if after, ok := strings.CutPrefix(strings.TrimLeft(rest[3:], " \t\r\n\f"), "="); ok {
			rest = strings.TrimLeft(after, " \t\r\n\f")
		}
	}
	at = len(content) - len(rest)
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		rest, _, _ = strings.Cut(rest[1:], rest[:1])
	}
	return at, rest
}

// srcset takes the URLs of candidates such as "a.png 1x, b.png 2x".
func (w *walker) srcset(t *tag, name string) {
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.Key != name {
			continue
		}
		var out strings.Builder
		changed := false
		for rest := a.Val; rest != ""; {
			n := len(rest) - len(strings.TrimLeft(rest, " \t\r\n\f,"))
			out.WriteString(rest[:n])
			rest = rest[n:]
			n = strings.IndexAny(rest, " \t\r\n\f")
			if n < 0 {
				n = len(rest)
			}
			to := strings.TrimRight(rest[:n], ",")
			if to != "" {
				if text, ok := w.link(to, Requisite, false); ok {
					out.WriteString(text)
					changed = true
				} else {
					out.WriteString(to)
				}
			}
			out.WriteString(rest[len(to):n])
			ended := len(to) < n
			rest = rest[n:]
			if !ended { // what describes the candidate
				n = strings.IndexByte(rest, ',')
				if n < 0 {
					n = len(rest)
				}
				out.WriteString(rest[:n])
				rest = rest[n:]
			}
		}
		if changed {
			a.Val, t.changed = out.String(), true
		}
		return
	}
}

// style takes the URLs of a style attribute.
func (w *walker) style(t *tag) {
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.Key != "style" || !strings.Contains(a.Val, "(") {
			continue
		}
		if w.out == nil {
			w.css([]byte(a.Val))
			continue
		}
		inner := *w
		inner.out = new(bytes.Buffer)
		inner.css([]byte(a.Val))
		if text := inner.out.String(); text != a.Val {
			a.Val, t.changed = text, true
		}
	}
}
