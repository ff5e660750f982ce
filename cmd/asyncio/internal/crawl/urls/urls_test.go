package urls_test

import (
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReferencesOfRFC3986 has the table of its sections 5.4.1 and 5.4.2.
func TestReferencesOfRFC3986(t *testing.T) {
	base, err := urls.Parse("http://a/b/c/d;p?q")
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g", "//g": "http://g/",
		"?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q", "g#s": "http://a/b/c/g",
		"g?y#s": "http://a/b/c/g?y", ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x", "g;x?y#s": "http://a/b/c/g;x?y",
		"": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/", "../": "http://a/b/",
		"../g": "http://a/b/g", "../..": "http://a/", "../../": "http://a/", "../../g": "http://a/g",
		"../../../g": "http://a/g", "../../../../g": "http://a/g", "/./g": "http://a/g", "/../g": "http://a/g",
		"g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g", "g..": "http://a/b/c/g..", "..g": "http://a/b/c/..g",
		"./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h",
		"g;x=1/./y": "http://a/b/c/g;x=1/y", "g;x=1/../y": "http://a/b/c/y", "g?y/./x": "http://a/b/c/g?y/./x", "g?y/../x": "http://a/b/c/g?y/../x",
	} {
		if got, err := base.Resolve(ref); err != nil || got.String() != want {
			t.Errorf("%q: %q, %v; want %q", ref, got, err, want)
		}
	}
	if _, err := base.Resolve("g:h"); err != urls.ErrScheme {
		t.Error(err)
	}
}

func TestOneFormForEachAddress(t *testing.T) {
	for s, want := range map[string]string{
		"HTTP://User:Pass@EXAMPLE.com:80/%7euser/%2e/a%2Fb?x=%41#f": "http://example.com/~user/a%2Fb?x=A",
		"example.com":                              "http://example.com/",
		"example.com:8080/a":                       "http://example.com:8080/a",
		"https://example.com:443":                  "https://example.com/",
		"https://example.com:80/":                  "https://example.com:80/",
		"http://example.com:0080/":                 "http://example.com/",
		"http://example.com./":                     "http://example.com/",
		"http://b\u00fccher.example/\u00fc?\u00fc": "http://xn--bcher-kva.example/%C3%BC?%C3%BC",
		"http://B%C3%BCCHER.example/":              "http://xn--bcher-kva.example/",
		"http://fa\u00df.de/":                      "http://xn--fa-hia.de/",
		"http://\uff45xample.com/":                 "http://example.com/",
		"http://[::0:1]:80/":                       "http://[::1]/",
		"http://127.0.0.1:81/":                     "http://127.0.0.1:81/",
		"http://h/a b\"<>`{|}^\\c":                 "http://h/a%20b%22%3C%3E%60%7B%7C%7D%5E/c",
		"http://h/%zz%4":                           "http://h/%25zz%254",
		"http://h/%e3%83%84":                       "http://h/%E3%83%84",
		"http://h/\xff":                            "http://h/%FF",
		" http:\\\\h\\a\\..\\b\n":                  "http://h/b",
		"http:/\t/h/a\r\nb":                        "http://h/ab",
		"http:///h/a":                              "http://h/a",
		"http://h?":                                "http://h/?",
		"http://h?q#f":                             "http://h/?q",
		"http://h//a//":                            "http://h//a//",
		"http://h/a/%2E%2E/b":                      "http://h/b",
	} {
		got, err := urls.Parse(s)
		if err != nil || got.String() != want {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestWhatIsNoURLOfTheWeb(t *testing.T) {
	for _, s := range []string{
		"", "http://", "http:///", "http://:80/", "http://h:99999/", "http://h:x/", "http://a b/", "http://[::1/", "http://[::1%25eth0]/",
		"http://[1.2.3.4]/", "http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://1.2.3.4.5/", "http://01.2.3.4/", "http://a..b/",
		"http://.a/", "http://h%00/", "http://h%2f/", "http://h\x01/", "http://xn--\x80/", "http://" + strings.Repeat("a", 300) + "/",
	} {
		if got, err := urls.Parse(s); err == nil {
			t.Errorf("%q is %q", s, got)
		}
	}
	base, _ := urls.Parse("https://h/")
	for _, s := range []string{"mailto:a@b", "javascript:x()", "data:,x", "ftp://h/", "tel:1", "http:/only", "blob:https://h/x"} {
		if got, err := base.Resolve(s); err == nil && s != "http:/only" {
			t.Errorf("%q is %q", s, got)
		}
	}
}

func TestTraps(t *testing.T) {
	for target, want := range map[string]string{
		"/": "", "/a/b/c": "", "/a/a/b": "", "/a/a/a": "repetition", "/x/a/b/a/b/a/b": "repetition", "/a/b/c/a/b/c/a/b": "", "/a/b/c/a/b/c/a/b/c": "repetition",
		"/2020/01/01/": "", "//": "", "///": "repetition", "/" + strings.Repeat("a", 2100): "length", "/?" + strings.Repeat("a&", 50): "parameters",
		strings.Repeat("/a/b/c/d/e/f", 2): "", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/34/35/36/37/38/39/40/41": "depth",
	} {
		if got := (urls.URL{Host: "h", Target: target}).Trap(); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	calendar := urls.URL{Host: "h", Target: "/cal/2031/05?d=7"}.Calendar()
	for target, same := range map[string]bool{"/cal/1999/12?d=31": true, "/cal/2031/05/06": false, "/product/20310": false, "/": false} {
		if got := (urls.URL{Host: "h", Target: target}).Calendar(); (got == calendar) != same {
			t.Errorf("%s: %q", target, got)
		}
	}
	for target, is := range map[string]bool{"/p/12345": false, "/v1/2": false, "/e?month=5&x=9": true, "/2031-5": true, "/a/2031/05/": true, "/3031/05": false, "/20315/05": false, "/2031/0555": false} {
		if got := (urls.URL{Host: "h", Target: target}).Calendar(); (got != "") != is {
			t.Errorf("%s: %q", target, got)
		}
	}
}

// TestTheCanonicalFormIsOne checks with URLs of all kinds of letters that the
// form of the form is itself, that net/url reads it as it is meant, and that
// a reference to it changes nothing.
func TestTheCanonicalFormIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(https?://)?[a-z0-9.\[\]:%@\x{e9}-]{0,12}[/?#a-zA-Z0-9.%&=+;:@\\ "<>\x{e9}\x00-]{0,40}`).Draw(t, "url")
		check(t, text)
	})
}

type errorer interface{ Errorf(string, ...any) }

func check(t errorer, text string) {
	u, err := urls.Parse(text)
	if err != nil {
		return
	}
	s := u.String()
	if again, err := urls.Parse(s); err != nil || again != u {
		t.Errorf("%q is %q, and that is %q, %v", text, s, again, err)
	}
	if urls.Split(s) != u {
		t.Errorf("%q: Split returns %q", s, urls.Split(s))
	}
	std, err := url.Parse(s)
	if err != nil || std.String() != s || u.URL().String() != s || std.RequestURI() != u.URL().RequestURI() || std.Hostname() != u.Hostname() {
		t.Errorf("net/url reads %q as %q, %v; URL returns %q", s, std, err, u.URL())
	}
	base := urls.URL{Host: "base", Target: "/x"}
	if r, err := base.Resolve(s); err != nil || r != u {
		t.Errorf("%q as a reference is %q, %v", s, r, err)
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			t.Errorf("%q has a byte %#x", s, c)
			return
		}
	}
}

func FuzzTheCanonicalFormIsOne(f *testing.F) {
	f.Add("http://a/b/../c?%41#f")
	f.Add("h\u00fc.de:8080/%zz")
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}
