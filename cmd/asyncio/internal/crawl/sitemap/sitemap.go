// Package sitemap reads sitemaps and indexes of sitemaps, as sitemaps.org
// defines them, packed with gzip or not, and sitemaps that are plain text.
package sitemap

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// Bounds of one file. The protocol allows 50,000 URLs and 50 MiB; some sites
// have more URLs.
const (
	MaxURLs = 100_000
	MaxSize = 50 << 20 // unpacked
)

// A File is what a sitemap holds.
type File struct {
	Pages []string // URLs of pages, as they stand there
	Maps  []string // URLs of further sitemaps, of an index
}

// Parse reads a file. With an error it returns what came before it, which is
// good: a sitemap that was cut off is still of use.
func Parse(file []byte) (*File, error) {
	var r io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return &File{}, fmt.Errorf("sitemap: %w", err)
		}
		r = z
	}
	b := bufio.NewReader(io.LimitReader(r, MaxSize))
	f := &File{}
	head, _ := b.Peek(512)
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	var err error
	if len(head) > 0 && head[0] != '<' {
		err = f.readText(b)
	} else {
		err = f.readXML(b)
	}
	if err != nil {
		err = fmt.Errorf("sitemap: %w", err)
	}
	return f, err
}

var errTooMany = errors.New("it has too many URLs")

// readText reads a URL a line.
func (f *File) readText(r io.Reader) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\xef\xbb\xbf"))
		if !strings.HasPrefix(line, "http://") && !strings.HasPrefix(line, "https://") || !utf8.ValidString(line) {
			continue
		}
		if len(f.Pages) == MaxURLs {
			return errTooMany
		}
		f.Pages = append(f.Pages, line)
	}
	return s.Err()
}

// maxLoc bounds the text of one loc element.
const maxLoc = 8 << 10

// readXML reads urlset and sitemapindex, and the links of RSS and Atom, which
// may stand in the place of a sitemap.
func (f *File) readXML(r io.Reader) error {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // URLs are ASCII
	in, inIndex := "", false
	var text []byte
	for {
		token, err := d.RawToken()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			in, text = t.Name.Local, text[:0]
			inIndex = inIndex || in == "sitemapindex"
			if in == "link" && t.Name.Space == "" {
				text = append(text, href(t)...)
			}
		case xml.CharData:
			if isURL(in) && len(text) < maxLoc {
				text = append(text, t...)
			}
		case xml.EndElement:
			if isURL(in) && t.Name.Local == in && t.Name.Space == "" {
				err = f.add(strings.TrimSpace(string(text)), inIndex)
			}
			if in = ""; err != nil {
				return err
			}
		}
	}
}

// isURL reports whether the text of an element is a URL.
func isURL(element string) bool { return element == "loc" || element == "link" }

// href is where a link element of Atom leads.
func href(t xml.StartElement) string {
	for _, a := range t.Attr {
		if a.Name.Local == "href" {
			return a.Value
		}
	}
	return ""
}

func (f *File) add(u string, toMap bool) error {
	if u == "" || !utf8.ValidString(u) {
		return nil
	}
	if len(f.Pages)+len(f.Maps) == MaxURLs {
		return errTooMany
	}
	if toMap {
		f.Maps = append(f.Maps, u)
	} else {
		f.Pages = append(f.Pages, u)
	}
	return nil
}
