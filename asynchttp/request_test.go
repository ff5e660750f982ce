package asynchttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// shows is a server that answers with the head of the request. The dial
// function reaches it under any name.
func shows(t *testing.T) func(ctx context.Context, network, addr string) (*asyncio.Stream, error) {
	base := rawServer(t, func(c net.Conn) {
		var head strings.Builder
		one := make([]byte, 1)
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			if _, err := io.ReadFull(c, one); err != nil {
				return
			}
			head.Write(one)
		}
		io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n"+head.String())
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	})
	return func(ctx context.Context, network, _ string) (*asyncio.Stream, error) {
		return asyncio.OpenConnection(ctx, network, strings.TrimPrefix(base, "http://"))
	}
}

func TestWhatARequestLooksLike(t *testing.T) {
	tr := &asynchttp.Transport{DialContext: shows(t)}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		for name, x := range map[string]struct {
			url    string
			change func(r *http.Request)
			want   string
		}{
			"plain": {"http://Example.com/a?b#c", nil,
				"GET /a?b HTTP/1.1\r\nHost: Example.com\r\nUser-Agent: asyncio-go/1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"no user agent": {"http://a/", func(r *http.Request) { r.Header.Set("User-Agent", "") },
				"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a name of other letters": {"http://bücher.example:8080/", nil,
				"GET / HTTP/1.1\r\nHost: xn--bcher-kva.example:8080\r\nUser-Agent: asyncio-go/1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a zone": {"http://[fe80::1%25eth0]:80/", nil,
				"GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\nUser-Agent: asyncio-go/1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"close": {"http://a/", func(r *http.Request) { r.Close = true },
				"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a range is not packed": {"http://a/", func(r *http.Request) { r.Header.Set("Range", "bytes=1-") },
				"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nRange: bytes=1-\r\n\r\n"},
			"framing of its own": {"http://a/", func(r *http.Request) {
				r.Method = "POST"
				r.Header.Set("Content-Length", "17")
				r.Header.Set("Transfer-Encoding", "chunked")
				r.Header.Set("Host", "b")
			}, "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nContent-Length: 0\r\nAccept-Encoding: gzip\r\n\r\n"},
			"many fields": {"http://a/", func(r *http.Request) {
				for _, c := range "hgfedcba" {
					r.Header["X-"+string(c)] = []string{"1"}
				}
			}, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nX-a: 1\r\nX-b: 1\r\nX-c: 1\r\nX-d: 1\r\nX-e: 1\r\nX-f: 1\r\nX-g: 1\r\nX-h: 1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"no user agent at all": {"http://a/", func(r *http.Request) { r.Header["User-Agent"] = nil },
				"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a user agent": {"http://a/", func(r *http.Request) { r.Header["User-Agent"] = []string{"me", "you"} },
				"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nAccept-Encoding: gzip\r\n\r\n"},
			"no host of its own": {"http://a/", func(r *http.Request) { r.Host = "" },
				"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a byte": {"http://a/", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
			}, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nContent-Length: 1\r\nAccept-Encoding: gzip\r\n\r\n"},
			"a body of unknown length": {"http://a/", func(r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader("x"))
				r.Trailer = http.Header{"Sum": nil}
			}, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: asyncio-go/1\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\nAccept-Encoding: gzip\r\n\r\n"},
		} {
			req, err := http.NewRequestWithContext(ctx, "GET", x.url, nil)
			if err != nil {
				return err
			}
			if x.change != nil {
				x.change(req)
			}
			if _, got, err := do(c, req); got != x.want {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		return nil
	})
}

func TestARequestThatCannotBeSentIsAnError(t *testing.T) {
	good := func() *http.Request {
		r, _ := http.NewRequest("GET", "http://127.0.0.1:1/", nil)
		return r
	}
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for name, change := range map[string]func(r *http.Request){
			"no URL":           func(r *http.Request) { r.URL = nil },
			"no header":        func(r *http.Request) { r.Header = nil },
			"no host":          func(r *http.Request) { r.URL.Host = "" },
			"bad host":         func(r *http.Request) { r.Host = "a b" },
			"bad scheme":       func(r *http.Request) { r.URL.Scheme = "gopher" },
			"bad method":       func(r *http.Request) { r.Method = "GET IT" },
			"bad field name":   func(r *http.Request) { r.Header["A B"] = []string{"x"} },
			"bad field value":  func(r *http.Request) { r.Header.Set("A", "secret\r\nB: x") },
			"bad trailer":      func(r *http.Request) { r.Trailer = http.Header{"A": {"\n"}} },
			"length, no body":  func(r *http.Request) { r.ContentLength = 5 },
			"control in a URL": func(r *http.Request) { r.URL.Opaque = "//127.0.0.1:1/\x7f" },
		} {
			req := good().WithContext(ctx)
			change(req)
			body := &noting{r: strings.NewReader("")}
			if name != "length, no body" {
				req.Body = body
			} else {
				body.closed = true
			}
			_, err := c.Transport.RoundTrip(req)
			if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "refused") {
				t.Errorf("%s: %v", name, err)
			}
			if !body.closed {
				t.Errorf("%s: the body is not closed", name)
			}
		}
		u := &url.URL{Scheme: "gopher", Host: "a"}
		_, err := c.Transport.RoundTrip((&http.Request{URL: u, Header: http.Header{}}).WithContext(ctx))
		var e *asynchttp.UnsupportedSchemeError
		if !errors.As(err, &e) || e.Scheme != "gopher" {
			t.Errorf("got %v", err)
		}
		return nil
	})
}
