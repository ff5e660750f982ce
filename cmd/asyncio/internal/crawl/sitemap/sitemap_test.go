package sitemap_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/sitemap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const urlset = `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url><loc>http://h/a?x=1&amp;y=2</loc><lastmod>2005-01-01</lastmod>
    <image:image><image:loc>http://h/i.png</image:loc></image:image></url>
  <url><loc><![CDATA[ http://h/b ]]></loc></url>
  <url><loc></loc></url>
</urlset>`

func packed(t testing.TB, s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFiles(t *testing.T) {
	for what, c := range map[string]struct {
		file        string
		pages, maps []string
		bad         bool
	}{
		"a sitemap":   {urlset, []string{"http://h/a?x=1&y=2", "http://h/b"}, nil, false},
		"an index":    {`<sitemapindex><sitemap><loc>http://h/1.xml.gz</loc></sitemap><sitemap><loc> http://h/2.xml </loc></sitemap></sitemapindex>`, nil, []string{"http://h/1.xml.gz", "http://h/2.xml"}, false},
		"text":        {"\xef\xbb\xbfhttp://h/a\r\n\nnothing\nhttps://h/b", []string{"http://h/a", "https://h/b"}, nil, false},
		"RSS":         {`<rss><channel><link>http://h/</link><item><link>http://h/a</link></item></channel></rss>`, []string{"http://h/", "http://h/a"}, nil, false},
		"Atom":        {`<feed><link href="http://h/"/><entry><link href="http://h/a"></link></entry></feed>`, []string{"http://h/", "http://h/a"}, nil, false},
		"nothing":     {"", nil, nil, false},
		"one cut off": {urlset[:strings.Index(urlset, "CDATA")], []string{"http://h/a?x=1&y=2"}, nil, true},
	} {
		t.Run(what, func(t *testing.T) {
			f, err := sitemap.Parse([]byte(c.file))
			if !slices.Equal(f.Pages, c.pages) || !slices.Equal(f.Maps, c.maps) || (err != nil) != c.bad {
				t.Errorf("%q, %q, %v", f.Pages, f.Maps, err)
			}
			if c.bad || c.file == "" {
				return
			}
			if z, err := sitemap.Parse(packed(t, c.file)); err != nil || !slices.Equal(z.Pages, c.pages) || !slices.Equal(z.Maps, c.maps) {
				t.Errorf("packed: %q, %q, %v", z.Pages, z.Maps, err)
			}
		})
	}
}

func TestAFileIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("<urlset>")
	for i := range sitemap.MaxURLs + 10 {
		fmt.Fprintf(&b, "<url><loc>http://h/%d</loc></url>", i)
	}
	if f, err := sitemap.Parse([]byte(b.String())); err == nil || len(f.Pages) != sitemap.MaxURLs {
		t.Errorf("%d URLs, %v", len(f.Pages), err)
	}
	bomb := packed(t, "http:\n"+strings.Repeat(strings.Repeat(" ", 1<<15-1)+"\n", sitemap.MaxSize>>15)+"http://h/\n")
	if f, _ := sitemap.Parse(bomb); len(f.Pages) != 0 {
		t.Errorf("what comes after the bound was read: %q", f.Pages)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(urlset))
	f.Add([]byte("http://h/a\nhttp://h/b"))
	f.Fuzz(func(t *testing.T, file []byte) {
		m, _ := sitemap.Parse(file)
		for _, u := range append(m.Pages, m.Maps...) {
			if u == "" || strings.TrimSpace(u) != u {
				t.Errorf("%q", u)
			}
		}
	})
}
