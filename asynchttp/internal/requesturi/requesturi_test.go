package requesturi_test

import (
	"net/url"
	"reflect"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func same(t interface {
	Helper()
	Errorf(string, ...any)
}, uri string) {
	t.Helper()
	got, err := requesturi.Parse(uri)
	want, wantErr := url.ParseRequestURI(uri)
	if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %#v, %v; net/url: %#v, %v", uri, got, err, want, wantErr)
	}
}

func TestAURIIsReadAsByNetURL(t *testing.T) {
	for _, uri := range []string{
		"", "/", "//", "///x", "//host/path", "/a/b.c", "/a?", "/a??", "/?b", "/a?b=c&d", "/a?b?c", "/a#b", "/a?b#c", "/a b", "/a?b c",
		"/%20", "/a%2fb", "/ä", "/a?ä", "/a\x00", "/a?\x7f", "*", "x", "http://host/path", "/a:b", "/a;b", "/~a_-.", "/a@b", "?", "/a?%",
	} {
		same(t, uri)
	}
	rapid.Check(t, func(t *rapid.T) {
		same(t, rapid.StringMatching(`/?[/a-c%2f.~;:@ ?#=&\x00-\x7fä]*`).Draw(t, "uri"))
		same(t, rapid.StringMatching(`/[a-z0-9/._~-]*(\?[!-~]*)?`).Draw(t, "plain"))
	})
}

func FuzzURI(f *testing.F) {
	f.Add("/a/b?c=d")
	f.Fuzz(func(t *testing.T, uri string) { same(t, uri) })
}
