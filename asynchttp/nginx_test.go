//go:build unix

package asynchttp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

// startNginx starts nginx with these server blocks, in a directory of its own, and
// waits until it listens.
func startNginx(t *testing.T, dir, addr, servers string) {
	t.Helper()
	path := program(t, "nginx")
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	client_max_body_size 0;
	%[2]s
}`, dir, servers)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, "-c", conf, "-p", dir)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			if strings.Contains(stderr.String(), "http2") {
				t.Skip("this nginx has no HTTP/2:", stderr.String())
			}
			t.Fatal("nginx ended: ", stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// certificate writes the certificate of a server, and its key, for nginx.
func certificate(t *testing.T, dir string) {
	t.Helper()
	cert := served(t).Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nginx speaks HTTP/2 to the Transport, and stands in front of the Server: over
// HTTP/1.1, and over HTTP/2 where it takes a request for one of gRPC.
func TestNginxInFrontOfTheServerAndBehindTheClient(t *testing.T) {
	program(t, "nginx")
	h := h2Server(t, nil) // for its certificate
	dir, addresses := t.TempDir(), addresstest.Free(t, 2)
	addr, upstream := addresses[0], addresses[1]
	certificate(t, dir)
	large := bytes.Repeat([]byte("large "), 100_000)
	if err := os.WriteFile(filepath.Join(dir, "large"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	startNginx(t, dir, addr, fmt.Sprintf(`server {
		listen %[1]s ssl http2;
		ssl_certificate %[2]s/cert.pem;
		ssl_certificate_key %[2]s/key.pem;
		root %[2]s;
		location /proxied { proxy_pass http://%[3]s; proxy_http_version 1.1; proxy_set_header Connection ""; }
		location /grpc { grpc_pass grpc://%[3]s; }
	}`, addr, dir, upstream))
	run(t, func(ctx context.Context) error {
		srv := handle(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			w.Header().Set("Trailer", "Grpc-Status")
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			fmt.Fprint(w, r.Proto, " ", r.Method, " ", n, " ", err)
			w.Header().Set("Grpc-Status", "0")
		})
		if _, err := srv.Start(ctx, "tcp", upstream); err != nil {
			return err
		}
		trusted := trusting(h)
		trusted.ServerName = "example.com"
		tr := &asynchttp.Transport{TLSClientConfig: trusted, Protocols: http2Only}
		c := &http.Client{Transport: tr}
		base := "https://" + addr
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 20 {
				g.Go(func(ctx context.Context) error {
					body, err := get(ctx, c, base+"/large")
					if err == nil && body != string(large) {
						t.Errorf("%d bytes of a file came", len(body))
					}
					return err
				})
				for path, proto := range map[string]string{"/proxied": "HTTP/1.1", "/grpc": "HTTP/2.0"} {
					g.Go(func(ctx context.Context) error {
						req, err := http.NewRequestWithContext(ctx, "POST", base+path, bytes.NewReader(large))
						if err != nil {
							return err
						}
						req.Header.Set("Content-Type", "application/grpc")
						resp, body, err := do(c, req)
						if err == nil && (resp.Proto != "HTTP/2.0" || body != proto+" POST 600000 <nil>") {
							t.Errorf("%s: %s %s: %.200s", path, resp.Proto, resp.Status, body)
						}
						if err == nil && path == "/grpc" && resp.Trailer.Get("Grpc-Status") != "0" {
							t.Errorf("the trailers that came are %v", resp.Trailer)
						}
						return err
					})
				}
			}
			return nil
		})
		return errors.Join(err, tr.Close(), srv.Shutdown(ctx))
	})
}
