package crawl

import (
	"bytes"
	"path"
	"path/filepath"
	"strings"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/links"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// converter makes the links of saved pages lead to other saved pages, when a
// crawl is over, so that they can be read from the disk. It remembers all saved
// URLs and redirects.
type converter struct {
	store *store.Store
	saved []savedURL
	names map[string]store.Kind // of URLs
	leads map[string]string     // redirects
}

type savedURL struct {
	url  string
	kind store.Kind
}

func newConverter(s *store.Store) *converter {
	return &converter{store: s, names: map[string]store.Kind{}, leads: map[string]string{}}
}

// note takes a URL that is done.
func (c *converter) note(url string, d *done) {
	switch {
	case d.state == frontier.Redirected:
		c.leads[url] = d.target
	case d.state.Saved():
		k := kindOf(d.state)
		c.names[url] = k
		c.saved = append(c.saved, savedURL{url, k})
	}
}

func kindOf(s frontier.State) store.Kind {
	for k, state := range states {
		if state == s {
			return store.Kind(k)
		}
	}
	return store.Other
}

// What is written at the end of a file that is converted, so that it is not
// converted again: the links would then be taken for those of the page.
const (
	convertedHTML = "\n<!-- The links of this page were converted. -->\n"
	convertedCSS  = "\n/* The links of this style sheet were converted. */\n"
)

// run converts all files and returns how many.
func (c *converter) run() (n int, err error) {
	for _, s := range c.saved {
		t, mark := links.HTML, convertedHTML
		switch s.kind {
		case store.Other:
			continue
		case store.CSS:
			t, mark = links.CSS, convertedCSS
		}
		u := urls.Split(s.url)
		name := store.Name(u, s.kind)
		body, err := c.store.Read(name)
		if err != nil {
			return n, err
		}
		if bytes.HasSuffix(body, []byte(mark)) {
			continue
		}
		out := links.Rewrite(t, u, body, func(l links.Link) (string, bool) { return c.local(name, l.URL), true })
		if err := c.store.Save(name, append(out, mark...)); err != nil {
			return n, err
		}
		n++
	}
	return n, c.store.Flush()
}

// maxLeads bounds how many redirects are followed.
const maxLeads = 20

// local returns how a file refers to a URL: to its file where there is one, and
// else to the URL itself, since a relative link would lead nowhere.
func (c *converter) local(from string, u urls.URL) string {
	text := u.String()
	to := text
	for range maxLeads {
		next, ok := c.leads[to]
		if !ok {
			break
		}
		to = next
	}
	k, ok := c.names[to]
	if !ok {
		return text
	}
	name := store.Name(urls.Split(to), k)
	rel, err := filepath.Rel(filepath.FromSlash(path.Dir(from)), filepath.FromSlash(name))
	if err != nil { // both are below one directory
		return text
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	for i, part := range parts {
		// A percent sign of a name is one, not the begin of an encoding.
		parts[i] = strings.NewReplacer("%", "%25", "#", "%23", "?", "%3F").Replace(part)
	}
	if strings.Contains(parts[0], ":") {
		parts[0] = "./" + parts[0]
	}
	return strings.Join(parts, "/")
}
