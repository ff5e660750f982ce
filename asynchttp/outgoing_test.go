package asynchttp

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What a request says of its body, and of who sends it.
func TestWhatARequestSaysOfItself(t *testing.T) {
	some := io.NopCloser(strings.NewReader("x"))
	for _, x := range []struct {
		body         io.ReadCloser
		length, want int64
	}{{nil, 0, 0}, {http.NoBody, 0, 0}, {some, 0, -1}, {some, -1, -1}, {some, -7, -1}, {some, 1, 1}, {some, 9, 9}} {
		o := outgoing{req: &http.Request{Body: x.body, ContentLength: x.length}}
		if got := o.length(); got != x.want {
			t.Errorf("%v of %d: got %d", x.body, x.length, got)
		}
	}
	for want, h := range map[string]http.Header{
		defaultUserAgent: {}, "": {"User-Agent": nil}, "me": {"User-Agent": {"me", "you"}},
	} {
		o := outgoing{req: &http.Request{Header: h}}
		if got := o.userAgent(); got != want {
			t.Errorf("%v: got %q, want %q", h, got, want)
		}
	}
}

func TestTrailersThatCannotBeAreNamed(t *testing.T) {
	for name, want := range map[string]string{
		"content-length":    `asynchttp: "Content-Length" cannot be a trailer`,
		"Transfer-Encoding": `asynchttp: "Transfer-Encoding" cannot be a trailer`,
		"trailer":           `asynchttp: "Trailer" cannot be a trailer`,
	} {
		r, err := http.NewRequest("PUT", "http://a/", io.MultiReader(strings.NewReader("x")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{name: nil}
		o := outgoing{req: r}
		var w wire
		if err := o.appendHeader(&w); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, h := range map[string]http.Header{
		`asynchttp: invalid header field name "A B"`:   {"A B": {"x"}},
		`asynchttp: invalid value of header field "A"`: {"A": {"fine", "secret\n"}},
		`asynchttp: invalid value of header field "B"`: {"B": {"\x00"}},
	} {
		if err := checkHeader("header", h); err == nil || err.Error() != want {
			t.Errorf("%v: %v", h, err)
		}
	}
	if err := checkHeader("header", http.Header{"A": {"fine", ""}, "B": nil}); err != nil {
		t.Error(err)
	}
}
