package look

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// bridged starts a bridge to a process that answers with what it was asked.
func bridged(t *testing.T) (b *bridge, c *http.Client) {
	t.Helper()
	process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Errorf("the process sees the cookie %s", r.Header.Get("Cookie"))
		}
		_, _ = io.WriteString(w, "process "+r.Host+" "+r.URL.Path)
	}))
	t.Cleanup(process.Close)
	tg := newTarget(1, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", process.Listener.Addr().String())
	}, func() {})
	t.Cleanup(tg.close)
	site := httptest.NewUnstartedServer(nil)
	b = newBridge(processProxy(tg), site.Listener.Addr().String())
	site.Config.Handler = b
	site.Start()
	t.Cleanup(site.Close)
	c = site.Client()
	return b, c
}

func TestTheBridgeLetsOneBrowserThrough(t *testing.T) {
	b, c := bridged(t)
	cookie := b.cookieName() + "=" + b.token
	for _, q := range []struct {
		about, method, path, host string
		header                    []string
		status                    int
	}{
		{"nothing", "GET", "/", "", nil, 403},
		{"another token", "GET", "/?token=x", "", nil, 403},
		{"the token elsewhere", "GET", "/v1/loops?token=" + b.token, "", nil, 403},
		{"another cookie", "GET", "/", "", []string{"Cookie", b.cookieName() + "=x"}, 403},
		{"the cookie", "GET", "/v1/loops", "", []string{"Cookie", cookie}, 200},
		{"another host", "GET", "/v1/loops", "evil.example", []string{"Cookie", cookie}, 421},
		{"another host, with the token", "GET", "/?token=" + b.token, "evil.example", nil, 421},
		{"another site", "GET", "/v1/loops", "", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 403},
		{"another port of this machine", "GET", "/v1/loops", "", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site"}, 403},
		{"another origin", "POST", "/v1/cancel", "", []string{"Cookie", cookie, "Origin", "http://evil.example"}, 403},
		{"no origin that has a name", "POST", "/v1/cancel", "", []string{"Cookie", cookie, "Origin", "null"}, 403},
		{"the page", "POST", "/v1/cancel", "", []string{"Cookie", cookie, "Origin", "http://" + b.host, "Sec-Fetch-Site", "same-origin"}, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), q.method, "http://"+b.host+q.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = q.host
		for i := 0; i+1 < len(q.header); i += 2 {
			r.Header.Set(q.header[i], q.header[i+1])
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != q.status || (q.status == 200) != strings.HasPrefix(string(body), "process insight") {
			t.Errorf("%s: %d %s", q.about, resp.StatusCode, body)
		}
	}
}

func TestTheAddressOfTheBridgeGivesTheCookie(t *testing.T) {
	b, c := bridged(t)
	resp, err := c.Get(b.url())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != 200 || len(cookies) != 1 {
		t.Fatalf("%d, %v", resp.StatusCode, cookies)
	}
	if k := cookies[0]; k.Value != b.token || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" {
		t.Errorf("%v", k)
	}
	if got := resp.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("the token may go to others: %q", got)
	}
}
