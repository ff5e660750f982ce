// Command page gets a page over TLS in a task. A callback saves it under a new
// name, UUID.html, when the task is done:
//
//	page -dir pages https://example.com/
//
// Without a URL it gets a page of a server of its own.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/asyncio-go/asyncio"
)

func main() {
	dir := flag.String("dir", ".", "directory to save the page in")
	flag.Parse()
	url, roots := flag.Arg(0), (*x509.CertPool)(nil) // nil: the system's certificates
	if url == "" {
		srv := httptest.NewTLSServer(http.HandlerFunc(hello))
		defer srv.Close()
		url, roots = srv.URL, x509.NewCertPool()
		roots.AddCert(srv.Certificate())
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		return getAndSave(ctx, url, roots, *dir)
	})
	if err != nil {
		log.Fatal(err)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "<!doctype html><title>Hello</title><p>Hello over TLS!")
}

func getAndSave(ctx context.Context, url string, roots *x509.CertPool, dir string) error {
	var saved error
	page := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return get(ctx, url, roots) })
	page.AddDoneCallback(func() { saved = save(dir, page) })

	// Callbacks run in the order in which they were added, and awaiting adds
	// one: when Await returns, the page is saved.
	if _, err := page.Await(ctx); err != nil {
		return err
	}
	return saved
}

// get gets a page. What net/http reads and writes over is a stream of the
// loop's: while it waits, the loop goes on.
func get(ctx context.Context, url string, roots *x509.CertPool) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // one request on this connection
	address := req.URL.Host
	if req.URL.Port() == "" {
		address = net.JoinHostPort(req.URL.Hostname(), "443")
	}
	s, err := asyncio.OpenConnection(ctx, "tcp", address, asyncio.WithTLS(&tls.Config{RootCAs: roots}))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := req.Write(s); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(s), req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	fmt.Println(resp.Proto, resp.Status)
	return io.ReadAll(resp.Body)
}

// save is the callback. It holds up the loop while it writes: that is right for
// a page; what takes longer belongs in the executor.
func save(dir string, page *asyncio.Task[[]byte]) error {
	body, err := page.Result()
	if err != nil {
		return nil // whoever awaits the task is told
	}
	name := filepath.Join(dir, newUUID()+".html")
	if err := os.WriteFile(name, body, 0o644); err != nil {
		return err
	}
	fmt.Println("saved", len(body), "bytes as", name)
	return nil
}

// newUUID returns a random UUID (version 4 of RFC 9562).
func newUUID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
