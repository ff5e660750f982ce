package asynchttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// pipe copies between two connections until one ends.
func pipe(a, b net.Conn) {
	done := make(chan struct{}, 2)
	both := func(to, from net.Conn) {
		copyAll(to, from)
		to.Close()
		from.Close()
		done <- struct{}{}
	}
	go both(a, b)
	go both(b, a)
	<-done
	<-done
}

// proxy is an http proxy that wants a password.
func proxy(w http.ResponseWriter, r *http.Request) {
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:secret")); r.Header.Get("Proxy-Authorization") != want {
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		fmt.Fprintf(w, "proxy got %s", r.RequestURI)
		return
	}
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	// The answer is written by hand: after Hijack there is nobody else who
	// reads what comes next.
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		out.Close()
		return
	}
	io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
	pipe(in, out)
}

// socks is a SOCKS 5 proxy that wants a password.
func socks(c net.Conn) {
	b := make([]byte, 300)
	read := func(n int) []byte {
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			return make([]byte, n)
		}
		return b[:n]
	}
	read(3)
	c.Write([]byte{5, 2})
	read(2)
	user := string(read(int(b[1])))
	if password := string(read(int(read(1)[0]))); user != "me" || password != "secret" {
		c.Write([]byte{1, 1})
		return
	}
	c.Write([]byte{1, 0})
	var host string
	switch read(4); b[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	}
	p := read(2)
	out, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(int(p[0])<<8|int(p[1]))))
	if err != nil {
		c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	pipe(c, out)
}

// through gives a Transport that uses a proxy, and trusts the certificates of
// the test servers.
func through(proxyURL, user string, servers ...*httptest.Server) *asynchttp.Transport {
	u, _ := url.Parse(proxyURL)
	if user != "" {
		u.User = url.UserPassword(user, "secret")
	}
	roots := x509.NewCertPool()
	for _, s := range servers {
		if c := s.Certificate(); c != nil {
			roots.AddCert(c)
		}
	}
	return &asynchttp.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: roots}}
}

func TestProxies(t *testing.T) { onEveryDriver(t, testProxies) }

func testProxies(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer secure.Close()
	httpProxy := httptest.NewServer(http.HandlerFunc(proxy))
	defer httpProxy.Close()
	httpsProxy := httptest.NewUnstartedServer(http.HandlerFunc(proxy))
	httpsProxy.EnableHTTP2 = false
	httpsProxy.StartTLS()
	defer httpsProxy.Close()
	socksURL := strings.Replace(rawServer(t, socks), "http:", "socks5:", 1)

	big := strings.Repeat("x", 1<<20)
	for _, x := range []struct{ proxy, url, want string }{
		{httpProxy.URL, plain.URL, "proxy got " + plain.URL + "/x"},
		{httpProxy.URL, secure.URL, "PUT /x 1048576"},
		{httpsProxy.URL, plain.URL, "proxy got " + plain.URL + "/x"},
		{httpsProxy.URL, secure.URL, "PUT /x 1048576"},
		{socksURL, plain.URL, "PUT /x 1048576"},
		{socksURL, secure.URL, "PUT /x 1048576"},
	} {
		t.Run(x.proxy[:5]+" to "+x.url[:5], func(t *testing.T) {
			withClient(t, through(x.proxy, "me", secure, httpsProxy), func(ctx context.Context, c *http.Client) error {
				for range 2 {
					body := io.Reader(strings.NewReader(big))
					if strings.HasPrefix(x.want, "proxy") {
						body = nil
					}
					if _, got, err := fetch(ctx, c, "PUT", x.url+"/x", body); got != x.want {
						t.Errorf("got %q, %v", got, err)
					}
				}
				return nil
			})
			if !strings.HasPrefix(x.want, "proxy") {
				withClient(t, through(x.proxy, "somebody", secure, httpsProxy), func(ctx context.Context, c *http.Client) error {
					_, err := get(ctx, c, x.url)
					var e *asynchttp.ProxyError
					if !errors.As(err, &e) || strings.Contains(err.Error(), "secret") {
						t.Errorf("with a wrong user: %v", err)
					}
					return nil
				})
			}
		})
	}
}

func TestAProxyThatCannotConnectIsAnError(t *testing.T) {
	httpProxy := httptest.NewServer(http.HandlerFunc(proxy))
	defer httpProxy.Close()
	for name, x := range map[string]struct {
		proxy  string
		status int
	}{
		"refuses":      {httpProxy.URL, http.StatusBadGateway},
		"is not there": {"http://127.0.0.1:1", 0},
		"ends early":   {answers(t, ""), 0},
		"is no proxy":  {answers(t, "what?\r\n\r\n"), 0},
		"no SOCKS":     {strings.Replace(rawServer(t, func(c net.Conn) { io.WriteString(c, "what?") }), "http:", "socks5:", 1), 0},
		"is nonsense":  {"ftp://127.0.0.1:1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			withClient(t, through(x.proxy, "me"), func(ctx context.Context, c *http.Client) error {
				_, err := get(ctx, c, "https://127.0.0.1:1/")
				var e *asynchttp.ProxyError
				if !errors.As(err, &e) || e.StatusCode != x.status {
					t.Errorf("got %v", err)
				}
				return nil
			})
		})
	}
}
