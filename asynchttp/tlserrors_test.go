package asynchttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// A certificate for another name is an error of the host, also behind a proxy to
// which TLS is spoken.
func TestAHostBehindAProxyMustBeWhoItSays(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer secure.Close()
	front := httptest.NewUnstartedServer(http.HandlerFunc(proxy))
	front.EnableHTTP2 = false
	front.StartTLS()
	defer front.Close()
	plain := httptest.NewServer(http.HandlerFunc(proxy))
	defer plain.Close()
	target := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	for _, proxyURL := range []string{front.URL, plain.URL} {
		tr := through(proxyURL, "me", secure, front)
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			_, err := get(ctx, c, target)
			var e *asynchttp.TLSError
			var name x509.HostnameError
			if !errors.As(err, &e) || "https://"+e.Host != target || !errors.As(err, &name) {
				t.Errorf("got %v", err)
			}
			if all, idle, hosts := tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
				t.Errorf("%d connections, %d idle, to %d hosts are left", all, idle, hosts)
			}
			return nil
		})
	}
}

// HTTP/2 is not spoken over TLS that is no good for it.
func TestHTTP2OverOldTLSIsAnError(t *testing.T) {
	old := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: old, NextProtos: []string{"h2"}}
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	tr := &asynchttp.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, CipherSuites: old, MaxVersion: tls.VersionTLS12}}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, srv.URL)
		var e *asynchttp.TLSError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "HTTP/2 needs TLS 1.2 with a modern cipher") {
			t.Errorf("got %v", err)
		}
		if all, idle, hosts := tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
			t.Errorf("%d connections, %d idle, to %d hosts are left", all, idle, hosts)
		}
		return nil
	})
}
