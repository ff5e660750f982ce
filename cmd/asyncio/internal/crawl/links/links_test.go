package links_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/links"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var base = urls.URL{Host: "h", Target: "/d/p"}

// found lists references: the target, with + for a requisite and ! for nofollow.
func found(d *links.Document) (list []string) {
	for _, l := range d.Links {
		s := strings.TrimPrefix(l.URL.String(), "http://h")
		if l.Kind == links.Requisite {
			s = "+" + s
		}
		if l.NoFollow {
			s = "!" + s
		}
		list = append(list, s)
	}
	return list
}

func TestReferencesOfHTML(t *testing.T) {
	for doc, want := range map[string][]string{
		`<a href=a>x</a><A HREF="/b">`:                                                                         {"/d/a", "/b"},
		`<a href='q?x=1&amp;y=2&copy=3'>`:                                                                      {"/d/q?x=1&y=2&copy=3"},
		`<a href="#top"><a name=x><a href="">`:                                                                 {"/d/p", "/d/p"},
		`<a href="javascript:x()"><a href=mailto:a@b>`:                                                         nil,
		`<a href=a rel="x NoFollow"><area href=m>`:                                                             {"!/d/a", "/d/m"},
		`<base href="/other/"><base href=/x/><a href=a>`:                                                       {"/other/a"},
		`<base href="http://k/"><a href=a>`:                                                                    {"http://k/a"},
		`<img src=i.png srcset="a.png 1x, b.png 2x,c.png">`:                                                    {"+/d/i.png", "+/d/a.png", "+/d/b.png", "+/d/c.png"},
		`<img srcset="a,b.png 100w, data:,x 2x">`:                                                              {"+/d/a,b.png"},
		`<script src=s.js>document.write("<a href=no>")</script>`:                                              {"+/d/s.js"},
		`<link rel=stylesheet href=s.css><link rel=next href=2><link rel=dns-prefetch href=//x/><link href=y>`: {"+/d/s.css", "/d/2"},
		`<link rel="preload" imagesrcset="a 1x" href=b>`:                                                       {"+/d/b", "+/d/a"},
		`<iframe src=f></iframe><frame src=g><object data=o><embed src=e>`:                                     {"/d/f", "/d/g", "+/d/o", "+/d/e"},
		`<video src=v poster=p.png><source src=w><track src=t></video>`:                                        {"+/d/v", "+/d/p.png", "+/d/w", "+/d/t"},
		`<body background=b.gif><td background=c.gif><input type=image src=i>`:                                 {"+/d/b.gif", "+/d/c.gif", "+/d/i"},
		`<meta http-equiv=Refresh content="0; URL='/r'">`:                                                      {"/r"},
		`<meta http-equiv=refresh content="5;r?a=b">`:                                                          {"/d/r?a=b"},
		`<meta http-equiv=refresh content="5">`:                                                                nil,
		`<div style="background:url(&quot;b.png&quot;)">`:                                                      {"+/d/b.png"},
		`<style>@import "i.css"; p { background: url( x.png ) }</style><a href=a>`:                             {"+/d/i.css", "+/d/x.png", "/d/a"},
		`<style></style><a href=a>`:                                                                            {"/d/a"},
		`<noscript><a href=a></noscript>`:                                                                      {"/d/a"},
		`<!-- <a href=no> --><textarea><a href=no></textarea><title><a href=no></title>`:                       nil,
		`<svg><image href=i.svg /></svg>`:                                                                      {"+/d/i.svg"},
		`<a href=a href=b>`:                                                                                    {"/d/a"},
		`<a href="a`:                                                                                           nil,
		`<form action=f><button formaction=g>`:                                                                 nil,
		"<a href='\u00fc'><a href='a\nb'>":                                                                     {"/d/%C3%BC", "/d/ab"},
	} {
		if got := found(links.Find(links.HTML, base, []byte(doc), "bot")); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", doc, got, want)
		}
	}
}

func TestReferencesOfCSS(t *testing.T) {
	for sheet, want := range map[string][]string{
		`a{b:url(x)}c{d:URL( "y" )}`:                            {"+/d/x", "+/d/y"},
		`@import 'a.css'; @import url(b.css) print; @IMPORT"c"`: {"+/d/a.css", "+/d/b.css", "+/d/c"},
		`/* url(no) */ a{content:"url(no)"} b{c:url(yes)}`:      {"+/d/yes"},
		`a{b:url(data:image/png;base64,xx)}`:                    nil,
		`a{b:url(\61 b\)c)}`:                                    {"+/d/ab"},
		`a{b:url("a\62 c\
d")}`: {"+/d/abcd"},
		`a{b:url(#x)} /* open`: nil,
		`a{b:url(`:             nil,
		`@font-face{src:url(f.woff2) format("woff2"),url(f.woff)}`: {"+/d/f.woff2", "+/d/f.woff"},
	} {
		if got := found(links.Find(links.CSS, base, []byte(sheet), "")); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", sheet, got, want)
		}
	}
}

func TestWhatAsksNotToFollow(t *testing.T) {
	for doc, want := range map[string]bool{
		`<meta name=robots content="noindex, NoFollow">`: true, `<meta name=ROBOTS content=none>`: true, `<meta name=robots content=noindex>`: false,
		`<meta name=Bot content=nofollow>`: true, `<meta name=otherbot content=nofollow>`: false, `<meta name=description content=nofollow>`: false,
	} {
		if got := links.Find(links.HTML, base, []byte(doc), "bot").NoFollow; got != want {
			t.Errorf("%s: %v", doc, got)
		}
	}
	for header, want := range map[string]bool{
		"nofollow": true, "noindex, nofollow": true, "none": true, "noindex": false, "bot: nofollow": true, "BOT:none": true, "other: nofollow": false,
		"unavailable_after: 25 Jun 2010 15:00:00 PST": false, "": false,
	} {
		if got := links.HeaderNoFollow([]string{"x", header}, "bot"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestTypes(t *testing.T) {
	for header, want := range map[string]links.Type{
		"text/html": links.HTML, "Text/HTML; charset=utf-8": links.HTML, "application/xhtml+xml": links.HTML, "text/css": links.CSS,
		"text/plain": links.Other, "text/html;;": links.HTML, "image/png": links.Other, "application/xml": links.Other,
	} {
		if got := links.TypeOf(header, []byte("<html>")); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	if links.TypeOf("", []byte(" <!DOCTYPE html><p>")) != links.HTML || links.TypeOf("", []byte("plain")) != links.Other {
		t.Error("without a header the body does not decide")
	}
}

func TestRewriting(t *testing.T) {
	local := func(l links.Link) (string, bool) {
		if name, ok := strings.CutPrefix(l.URL.String(), "http://h/d/"); ok {
			return `local"` + name, true
		}
		return "", false
	}
	for doc, want := range map[string]string{
		`<p  CLASS=x><A  href=a#f>&amp;é</A ><a href=/b>`:  `<p  CLASS=x><a href="local&#34;a#f">&amp;é</A ><a href=/b>`,
		`<base href=/d/><img alt='"' srcset="a 1x,/b 2x">`: `<img alt="&#34;" srcset="local&#34;a 1x,/b 2x">`,
		`<style>p{b:url('a')}</style><p style="b:url(a)">`: `<style>p{b:url('local"a')}</style><p style="b:url(&#34;local\&#34;a&#34;)">`,
		`<meta http-equiv=refresh content="0;url='a'">`:    `<meta http-equiv="refresh" content="0;url=local&#34;a">`,
		`<script>"<a href=a>"</script`:                     `<script>"<a href=a>"</script`,
	} {
		if got := string(links.Rewrite(links.HTML, base, []byte(doc), local)); got != want {
			t.Errorf("%s\n got %s\nwant %s", doc, got, want)
		}
	}
	if got := string(links.Rewrite(links.CSS, base, []byte(`@import "a";x{y:url( b )}/*url(c)*/`), local)); got != `@import "local\"a";x{y:url( "local\"b" )}/*url(c)*/` {
		t.Error(got)
	}
}

// FuzzWhatIsNotReplacedStays also reads again what was written.
func FuzzWhatIsNotReplacedStays(f *testing.F) {
	f.Add([]byte(`<a href="a"><style>x{y:url(b)}</style><p style="url(c)"><img srcset="d 1x, e"><base href=x>`), true)
	f.Add([]byte(`@import "a"; b{c:url( "d" )}`), false)
	f.Fuzz(func(t *testing.T, doc []byte, isHTML bool) {
		kind := links.CSS
		if isHTML {
			kind = links.HTML
		}
		before := bytes.Clone(doc)
		got := links.Rewrite(kind, base, doc, func(links.Link) (string, bool) { return "", false })
		if !bytes.Equal(doc, before) {
			t.Fatal("the document itself was changed")
		}
		if !bytes.Contains(bytes.ToLower(doc), []byte("<base")) && !bytes.Equal(got, doc) {
			t.Errorf("%q became %q", doc, got)
		}
		d := links.Find(kind, base, doc, "bot")
		n := 0
		links.Rewrite(kind, base, doc, func(links.Link) (string, bool) { n++; return "x", true })
		if n != len(d.Links) {
			t.Errorf("%q: %d references are read, %d replaced", doc, len(d.Links), n)
		}
	})
}
