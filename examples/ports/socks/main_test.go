package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs use with a proxy, its address and that of a web server with TLS.
func with(t *testing.T, user string, use func(ctx context.Context, address string, site *httptest.Server), log io.Writer) {
	t.Helper()
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes came, %v", len(body), err)
	}))
	defer site.Close()
	asynctest.Run(t, func(ctx context.Context) {
		p := &proxy{user: user, log: log}
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", p.serve)
		if err != nil {
			t.Fatal(err)
		}
		use(ctx, srv.Addr().String(), site)
		srv.Close()
		if err := srv.WaitClosed(ctx); err != nil { // with its clients
			t.Error(err)
		}
	}, asynctest.WithRealClock())
}

// get sends a large request through a proxy.
func get(ctx context.Context, t *testing.T, proxyURL string, site *httptest.Server) (string, error) {
	t.Helper()
	u, err := url.Parse(proxyURL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &asynchttp.Transport{
		Proxy:           http.ProxyURL(u),
		TLSClientConfig: site.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	defer tr.Close()
	req, err := http.NewRequestWithContext(ctx, "POST", site.URL, strings.NewReader(strings.Repeat("x", 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestBothProtocolsAtOnePort(t *testing.T) {
	var log strings.Builder
	with(t, "", func(ctx context.Context, address string, site *httptest.Server) {
		for _, scheme := range []string{"socks5", "socks5h", "http"} {
			got, err := get(ctx, t, scheme+"://"+address, site)
			if got != "3145728 bytes came, <nil>" {
				t.Errorf("%s: %q, %v", scheme, got, err)
			}
		}
	}, &log)
	if n := strings.Count(log.String(), " bytes there, "); n != 3 {
		t.Errorf("it has told of %d connections:\n%s", n, &log)
	}
}

func TestWhoDoesNotKnowThePasswordIsRefused(t *testing.T) {
	var log strings.Builder
	with(t, "me:secret", func(ctx context.Context, address string, site *httptest.Server) {
		for _, scheme := range []string{"socks5://", "http://"} {
			if got, err := get(ctx, t, scheme+"me:secret@"+address, site); got != "3145728 bytes came, <nil>" {
				t.Errorf("%s: %q, %v", scheme, got, err)
			}
			for _, user := range []string{"", "me:wrong@"} {
				if got, err := get(ctx, t, scheme+user+address, site); err == nil {
					t.Errorf("%s%s: %q", scheme, user, got)
				}
			}
		}
	}, &log)
	for _, want := range []string{"no method of authentication fits", `"me" may not use it`, "Proxy Authentication Required"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &log)
		}
	}
}

func TestATargetThatIsNotThere(t *testing.T) {
	with(t, "", func(ctx context.Context, address string, site *httptest.Server) {
		site.URL = "https://127.0.0.1:1"
		for _, scheme := range []string{"socks5", "http"} {
			if _, err := get(ctx, t, scheme+"://"+address, site); err == nil {
				t.Error("no error by", scheme)
			}
		}
	}, io.Discard)
}

func TestCurlThroughTheProxy(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not there")
	}
	with(t, "me:secret", func(ctx context.Context, address string, site *httptest.Server) {
		for _, scheme := range []string{"socks5", "socks5h", "http"} {
			p, err := asyncio.CreateSubprocessExec(ctx, curl,
				[]string{"-sSk", "--proxy", scheme + "://me:secret@" + address, "--data", "abc", site.URL},
				asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				t.Fatal(err)
			}
			out, _, err := p.Communicate(ctx, nil)
			if string(out) != "3 bytes came, <nil>" || err != nil {
				t.Errorf("%s: %q, %v", scheme, out, err)
			}
		}
	}, io.Discard)
}
