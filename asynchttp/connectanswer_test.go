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

	"github.com/asyncio-go/asyncio/asynchttp"
)

// What a proxy answers to CONNECT is heeded before anything is said to the host.
func TestTheAnswerToCONNECTIsLookedAt(t *testing.T) {
	refused := errors.New("not this one")
	for name, x := range map[string]struct {
		answer string
		hook   error
		status int // of the ProxyError
		err    string
		header http.Header
	}{
		"refused by the hook":          {"HTTP/1.1 200 OK\r\n\r\n", refused, 0, "not this one", nil},
		"refused by the proxy":         {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", nil, 403, "403 Forbidden", nil},
		"not quite":                    {"HTTP/1.1 204 No Content\r\n\r\n", nil, 204, "204", nil},
		"data behind it":               {"HTTP/1.1 200 OK\r\n\r\nhello", nil, 0, "data after the answer to CONNECT", nil},
		"cut":                          {"HTTP/1.1 200 OK\r\n", nil, 0, "ended early", nil},
		"a header that cannot be sent": {"", nil, 0, "proxy header", http.Header{"A b": {"c"}}},
	} {
		heads := make(chan string, 1)
		server := rawServer(t, func(c net.Conn) {
			var head strings.Builder
			one := make([]byte, 1)
			for !strings.HasSuffix(head.String(), "\r\n\r\n") {
				if _, err := io.ReadFull(c, one); err != nil {
					heads <- head.String()
					return
				}
				head.Write(one)
			}
			io.WriteString(c, x.answer)
			c.(*net.TCPConn).CloseWrite()
			rest, _ := io.ReadAll(c)
			heads <- head.String() + string(rest)
		})
		u, _ := url.Parse(server)
		u.User = url.UserPassword("me", "b")
		asked := 0
		tr := &asynchttp.Transport{
			Proxy:              http.ProxyURL(u),
			ProxyConnectHeader: http.Header{"X-A": {"b"}},
			OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
				if asked++; proxy.Host != u.Host || req.Host != "example.org:443" {
					t.Errorf("%s: the hook was told of %v, %v", name, proxy, req)
				}
				return x.hook
			},
		}
		if x.header != nil {
			tr.ProxyConnectHeader = x.header
		}
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			_, err := get(ctx, c, "https://example.org/")
			var failed *asynchttp.ProxyError
			if !errors.As(err, &failed) || failed.StatusCode != x.status || failed.Target != "example.org:443" || !strings.Contains(err.Error(), x.err) || x.hook != nil && !errors.Is(err, x.hook) {
				t.Errorf("%s: %v", name, err)
			}
			return nil
		})
		want := "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nUser-Agent: asyncio-go/1\r\nX-A: b\r\nProxy-Authorization: Basic bWU6Yg==\r\n\r\n"
		if x.answer == "" {
			want = ""
		}
		if got := <-heads; got != want {
			t.Errorf("%s: the proxy was told %q", name, got)
		}
		if answered := strings.HasSuffix(x.answer, "\r\n\r\n") || x.err == "data after the answer to CONNECT"; answered != (asked == 1) {
			t.Errorf("%s: the hook was asked %d times", name, asked)
		}
	}
}
