package asynchttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestClientTrace(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		echo(w, r)
	}))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	url := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)

	var events []string
	note := func(what string) { events = append(events, what) }
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { note("get") },
		GotConn:      func(i httptrace.GotConnInfo) { note(map[bool]string{false: "new", true: "reused"}[i.Reused]) },
		PutIdleConn:  func(error) { note("idle") },
		DNSStart:     func(httptrace.DNSStartInfo) { note("dns") },
		DNSDone:      func(httptrace.DNSDoneInfo) { note("dns done") },
		ConnectStart: func(string, string) { note("connect") },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				note("connect done")
			}
		},
		TLSHandshakeStart:    func() { note("tls") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { note("tls done") },
		WroteHeaders:         func() { note("headers") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { note("request") },
		GotFirstResponseByte: func() { note("first byte") },
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			note("1xx")
			return nil
		},
	}
	cfg := &tls.Config{RootCAs: roots, ServerName: "example.com"}
	withClient(t, &asynchttp.Transport{TLSClientConfig: cfg}, func(ctx context.Context, c *http.Client) error {
		ctx = httptrace.WithClientTrace(ctx, trace)
		for range 2 {
			if _, err := get(ctx, c, url); err != nil {
				return err
			}
		}
		want := []string{"get", "dns", "dns done", "connect", "connect done", "tls", "tls done", "new",
			"headers", "request", "first byte", "1xx", "idle",
			"get", "reused", "headers", "request", "first byte", "1xx", "idle"}
		if !slices.Equal(events, want) {
			t.Errorf("events are %q", events)
		}
		return nil
	})
}

func TestTheTraceOfARequestThatWaitsForContinue(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	var events []string
	note := func(what string) { events = append(events, what) }
	trace := &httptrace.ClientTrace{
		Wait100Continue:  func() { note("wait") },
		Got100Continue:   func() { note("continue") },
		WroteHeaderField: func(k string, v []string) { note(k) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { note("request") },
	}
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), "PUT", srv.URL, strings.NewReader("body"))
		if err != nil {
			return err
		}
		req.Header.Set("Expect", "100-continue")
		if _, got, err := do(c, req); got != "PUT / 4" {
			t.Errorf("got %q, %v", got, err)
		}
		if want := "[Host User-Agent Content-Length Expect Accept-Encoding wait continue request]"; fmt.Sprint(events) != want {
			t.Errorf("events are %q, want %s", events, want)
		}
		return nil
	})
}
