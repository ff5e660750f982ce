package asynchttp

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asNetHTTP fails when plainRequest takes text for something else than net/http and
// the checks after it do. It reports whether it takes it at all.
func asNetHTTP(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) bool {
	t.Helper()
	var got http.Request
	size := plainRequest(&got, []byte(text), maxServerFields, &fieldNames{})
	if size == 0 {
		if !reflect.DeepEqual(got, http.Request{}) {
			t.Fatalf("%q is not plain, and something was taken of it: %+v", text, got)
		}
		return false
	}
	br := bufio.NewReader(strings.NewReader(text))
	want, err := http.ReadRequest(br)
	if err != nil {
		t.Fatalf("%q was taken; net/http: %v", text, err)
	}
	if rest, _ := io.ReadAll(br); string(rest) != text[size:] {
		t.Fatalf("%q: %d bytes were taken; net/http leaves %q", text, size, rest)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Fatalf("%q:\n got  %+v\n want %+v", text, &got, want)
	}
	c := &serverConn{}
	for line := range strings.SplitSeq(text[:size], "\r\n") {
		c.raw.line([]byte(line))
	}
	if err := c.checkRequest(want); err != nil || c.raw.mustClose(want) || wantsClose(want) {
		t.Fatalf("%q was taken: %v", text, err)
	}
	return true
}

func TestAPlainRequestIsThatOfNetHTTP(t *testing.T) {
	for text, plain := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n": true,
		"GET /a/b?c=d HTTP/1.1\r\nHost: x:80\r\nUser-Agent: y z\r\nx-own:  1\t\r\nX-Own: 2\r\n\r\nGET": true,
		"HEAD /%20 HTTP/1.1\r\nhost: x\r\nConnection: Keep-Alive\r\nAccept:\r\n\r\n":                   true,
		"POST / HTTP/1.1\r\nHost: x\r\n\r\n":                                                           true,
		"GET //x/y HTTP/1.1\r\nHost: x\r\n\r\n":                                                        true,

		"GET / HTTP/1.1\r\nHost: x\r\n":                                        false,
		"GET / HTTP/1.1\r\n\r\n":                                               false,
		"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n":                         false,
		"GET / HTTP/1.1\r\nHost: x y\r\n\r\n":                                  false,
		"GET / HTTP/1.0\r\nHost: x\r\n\r\n":                                    false,
		"GET / HTTP/2.0\r\nHost: x\r\n\r\n":                                    false,
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n":                                   false,
		"GET / x HTTP/1.1\r\nHost: x\r\n\r\n":                                  false,
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n":                            false,
		"CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n":                               false,
		"G(T / HTTP/1.1\r\nHost: x\r\n\r\n":                                    false,
		"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n":                                false,
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                 false,
		"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n":                                false,
		"GET / HTTP/1.1\nHost: x\r\n\r\n":                                      false,
		"GET / HTTP/1.1\r\nHost: x\n\r\n\r\n":                                  false,
		"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n":                              false,
		"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n":                         false,
		"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n":                           false,
		"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n":                             false,
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n":                        false,
		"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n":                         false,
		"GET / HTTP/1.1\r\nHost: x\r\nA: ä\r\n\r\n":                            false,
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":               false,
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\r\n": false,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na":             false,
		"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n":              false,
		"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n":     false,
		"POST / HTTP/1.1\r\nHost: x\r\nTrailer: A\r\n\r\n":                     false,
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n":            false,
		"GET / HTTP/1.1\r\nHost: x\r\nPragma: no-cache\r\n\r\n":                false,
	} {
		if got := asNetHTTP(t, text); got != plain {
			t.Errorf("%q is plain: %v", text, got)
		}
	}
}

// Whatever is put together of what requests are made of, or nearly.
func TestWhateverIsTakenForPlainIsThatOfNetHTTP(t *testing.T) {
	mostly := func(good *rapid.Generator[string], bad ...string) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			if rapid.IntRange(0, 15).Draw(t, "bad") == 7 {
				return rapid.SampledFrom(bad).Draw(t, "flaw")
			}
			return good.Draw(t, "good")
		})
	}
	method := mostly(rapid.SampledFrom([]string{"GET", "POST", "X-Y", "get"}), "CONNECT", "PRI", "G ET", "")
	uri := mostly(rapid.StringMatching(`/[/a-z2?&=:@.*-]{0,8}`), "", "*", "x", "/é", "/%zz", "/%20", "/a b", "/#", "http://x/")
	version := mostly(rapid.Just("HTTP/1.1"), "HTTP/1.0", "HTTP/1.1 ", "HTTP/2.0", "http/1.1", "HTTP/1.10")
	end := mostly(rapid.Just("\r\n"), "\n", "\r\n ", "\r\r\n", "\r\n\t")
	host := mostly(rapid.SampledFrom([]string{"Host: x\r\n", "host:x:80\r\n", "HOST: [::1]\r\n", "Host: \r\n"}), "", "Host: a b\r\n", "Host: x\r\nHost: x\r\n")
	name := mostly(rapid.StringMatching(`[A-Za-z!#$%&'*+.^_|~-]{1,12}`),
		"Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma", "Host", "X ", " X", "")
	colon := mostly(rapid.SampledFrom([]string{":", ": ", ":\t"}), " :", "")
	value := mostly(rapid.StringMatching(`[ \t]*[!-~ \t]{0,12}[ \t]*`), "keep-alive", "close", "1", "chunked", "\n", "\r", "é", "\x7f")
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		text := method.Draw(t, "method") + " " + uri.Draw(t, "uri") + " " + version.Draw(t, "version") + end.Draw(t, "end") + host.Draw(t, "host")
		for range rapid.IntRange(0, 4).Draw(t, "fields") {
			text += name.Draw(t, "name") + colon.Draw(t, "colon") + value.Draw(t, "value") + end.Draw(t, "end")
		}
		if asNetHTTP(t, text+"\r\nrest") {
			taken++
		}
	})
	if taken == 0 {
		t.Error("none was plain")
	}
}

// Nor does what is changed in one place.
func TestAPlainRequestThatIsChangedIsThatOfNetHTTP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte("GET /some/path?q=1 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: keep-alive\r\nX: y\r\n\r\nGET /next HTTP/1.1\r\n\r\n")
		text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		asNetHTTP(t, string(text))
	})
}

func FuzzPlainRequest(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) { asNetHTTP(t, text) })
}

// The limit of lines counts as it does for other requests, and the names that are
// known are bounded.
func TestPlainRequestsAreBounded(t *testing.T) {
	names := &fieldNames{}
	text := "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
	for lines, want := range map[int]int{2: 0, 3: len(text)} {
		var req http.Request
		if got := plainRequest(&req, []byte(text), lines, names); got != want {
			t.Errorf("with %d lines: %d", lines, got)
		}
	}
	for i := range 2 * maxFieldNames {
		if got, want := names.canonical(fmt.Sprint("x-", i)), fmt.Sprint("X-", i); got != want {
			t.Errorf("%q", got)
		}
	}
	names.canonical(strings.Repeat("x", maxFieldNameLen+1))
	if n := len(names.known); n != maxFieldNames {
		t.Errorf("%d names are known", n)
	}
}
