package asynchttp_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A traced is what a trace has been told.
type traced struct {
	mu     sync.Mutex
	events []string
}

func (e *traced) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, fmt.Sprintf(format, args...))
}

// trace returns a trace that uses every hook there is.
func (e *traced) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { e.note("get") },
		GotConn: func(i httptrace.GotConnInfo) {
			e.note("got reused=%v idle=%v conn=%v", i.Reused, i.WasIdle, i.Conn.RemoteAddr() != nil)
		},
		PutIdleConn:          func(err error) { e.note("idle %v", err) },
		GotFirstResponseByte: func() { e.note("first byte") },
		Got100Continue:       func() { e.note("continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			e.note("%d %s", code, h.Get("Link"))
			return nil
		},
		DNSStart:          func(i httptrace.DNSStartInfo) { e.note("dns %s", i.Host) },
		DNSDone:           func(i httptrace.DNSDoneInfo) { e.note("dns done %v", i.Err) },
		ConnectStart:      func(network, _ string) { e.note("connect %s", network) },
		ConnectDone:       func(_, _ string, err error) { e.note("connected %v", err) },
		TLSHandshakeStart: func() { e.note("tls") },
		TLSHandshakeDone:  func(s tls.ConnectionState, err error) { e.note("tls done %s %v", s.NegotiatedProtocol, err) },
		WroteHeaderField:  func(k string, v []string) { e.note("field %s", k) },
		WroteHeaders:      func() { e.note("headers") },
		Wait100Continue:   func() { e.note("wait") },
		WroteRequest:      func(i httptrace.WroteRequestInfo) { e.note("request %v", i.Err) },
	}
}

// told returns the events, sorted: of net/http one goroutine writes while another
// reads. Connecting is left out, for which address answers first is chance.
func (e *traced) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	events := slices.DeleteFunc(e.events, func(event string) bool {
		return strings.HasPrefix(event, "connect") || strings.HasPrefix(event, "dns")
	})
	slices.Sort(events)
	return events
}

// The hooks of httptrace are told of HTTP/2 as they are by net/http.
func TestTheTraceOfHTTP2IsThatOfNetHTTP(t *testing.T) {
	s := h2Server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hints" {
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "hello")
	})
	// ask does three requests, and returns the events of each.
	ask := func(ctx context.Context, c *http.Client) (all [][]string, err error) {
		for _, test := range []struct{ method, path, body, expect string }{
			{"GET", "/", "", ""}, {"GET", "/hints", "", ""}, {"POST", "/", "some body", "100-continue"}, {"POST", "/", strings.Repeat("x", 200_000), ""},
		} {
			e := &traced{}
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, e.trace()), test.method, s.URL+test.path, strings.NewReader(test.body))
			if err != nil {
				return nil, err
			}
			if test.expect != "" {
				req.Header.Set("Expect", test.expect)
			}
			resp, err := c.Do(req)
			if err != nil {
				return nil, err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return nil, err
			}
			resp.Body.Close()
			all = append(all, e.told())
		}
		return all, nil
	}
	s.Client().Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	want, err := ask(t.Context(), s.Client())
	if err != nil {
		t.Fatal(err)
	}
	s.Client().CloseIdleConnections()
	tr := &asynchttp.Transport{TLSClientConfig: trusting(s), ExpectContinueTimeout: time.Minute}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		got, err := ask(ctx, c)
		for i := range got {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("request %d:\n got  %q\n want %q", i, got[i], want[i])
			}
		}
		return err
	})
}

// The time that a connection has lain idle is told.
func TestTheTraceOfHTTP2TellsHowLongAConnectionWasIdle(t *testing.T) {
	s := h2Server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	tr := &asynchttp.Transport{TLSClientConfig: trusting(s)}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		if _, err := get(ctx, c, s.URL); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		var info httptrace.GotConnInfo
		_, err := get(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { info = i }}), c, s.URL)
		if !info.Reused || !info.WasIdle || info.IdleTime < 5*time.Millisecond {
			t.Errorf("it was told %+v", info)
		}
		return err
	})
}
