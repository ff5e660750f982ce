package asynchttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// How long a server waits for what, when the client sees the end of it, and when
// the connection is closed for a client that does not close it.
func TestAServerWaitsSoLong(t *testing.T) {
	const (
		unread = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123"
		closes = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		linger = 500 * time.Millisecond
	)
	for name, x := range map[string]struct {
		srv         asynchttp.Server
		send        string
		want        string // the statuses of the answers
		end, closed time.Duration
	}{
		"the rest of a body":                        {asynchttp.Server{}, unread, "200", 5 * time.Second, 5*time.Second + linger},
		"the rest of a body, limited":               {asynchttp.Server{ReadTimeout: 2 * time.Second}, unread, "200", 2 * time.Second, 2*time.Second + linger},
		"a request after a body":                    {asynchttp.Server{IdleTimeout: 3 * time.Second}, unread + "456789" + getX, "200 200", 3 * time.Second, 3 * time.Second},
		"a large body is not waited for":            {asynchttp.Server{}, strings.Replace(unread, "9", "999999", 1), "200", 0, linger},
		"the next request":                          {asynchttp.Server{IdleTimeout: 3 * time.Second}, getX, "200", 3 * time.Second, 3 * time.Second},
		"the next one, by another limit":            {asynchttp.Server{ReadTimeout: 4 * time.Second}, getX, "200", 4 * time.Second, 4 * time.Second},
		"the next request, and not its header":      {asynchttp.Server{ReadHeaderTimeout: time.Second, IdleTimeout: 3 * time.Second}, getX, "200", 3 * time.Second, 3 * time.Second},
		"the next request, before the whole of one": {asynchttp.Server{ReadTimeout: 2 * time.Second, IdleTimeout: 3 * time.Second}, getX, "200", 3 * time.Second, 3 * time.Second},
		"the first request":                         {asynchttp.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 2 * time.Second, IdleTimeout: 3 * time.Second}, "", "", time.Second, time.Second},
		"the first, by another limit":               {asynchttp.Server{ReadTimeout: 2 * time.Second, IdleTimeout: 3 * time.Second}, "", "", 2 * time.Second, 2 * time.Second},
		"the first, by the last limit":              {asynchttp.Server{IdleTimeout: 3 * time.Second}, "", "", 3 * time.Second, 3 * time.Second},
		"the rest of a header":                      {asynchttp.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 2 * time.Second}, getX[:9], "408", time.Second, time.Second + linger},
		"the rest, by another limit":                {asynchttp.Server{ReadTimeout: 2 * time.Second}, getX[:9], "408", 2 * time.Second, 2*time.Second + linger},
		"nobody, after the end":                     {asynchttp.Server{}, closes, "200", 0, 0},
		"what came after the end":                   {asynchttp.Server{}, closes + getX, "200", 0, linger},
		"what was too large":                        {asynchttp.Server{MaxHeaderBytes: 100}, getX[:16] + "X: " + strings.Repeat("x", 10000) + "\r\n\r\n", "431", 0, linger},
		"what was too much":                         {asynchttp.Server{MaxHeaderFields: 9}, getX[:16] + strings.Repeat("X: y\r\n", 10) + "\r\n", "431", 0, linger},
		"what was refused":                          {asynchttp.Server{}, "what?\r\n\r\n", "400", 0, linger},
	} {
		t.Run(name, func(t *testing.T) {
			var began, closed time.Duration
			var loop *asyncio.Loop
			x.srv.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			x.srv.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed = (loop.Time() - began).Round(time.Millisecond)
				}
			}
			toServer(t, &x.srv, func(ctx context.Context, s *asyncio.Stream) error {
				began, loop = clock(ctx), asyncio.CurrentTask(ctx).Loop()
				io.WriteString(s, x.send)
				all, err := s.ReadAll(ctx)
				if err != nil {
					t.Error(err)
				}
				if took := since(ctx, began); took != x.end {
					t.Errorf("the end came after %v, want %v", took, x.end)
				}
				var statuses []string
				for _, part := range strings.Split(string(all), "HTTP/1.1 ")[1:] {
					statuses = append(statuses, part[:3])
				}
				if got := strings.Join(statuses, " "); got != x.want {
					t.Errorf("the answers were %s, want %s", got, x.want)
				}
				if err := asyncio.Sleep(ctx, 10*time.Second); err != nil {
					return err
				}
				if closed != x.closed {
					t.Errorf("it was closed after %v, want %v", closed, x.closed)
				}
				if n := loop.Stats().Timers; n != 0 {
					t.Errorf("%d timers are left", n)
				}
				return nil
			})
		})
	}
}

// A handler that takes longer than there is time to read, and whose body has come,
// is followed by the next request.
func TestALateHandlerDoesNotEndTheConnection(t *testing.T) {
	srv := &asynchttp.Server{ReadTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			_ = asyncio.Sleep(r.Context(), 3*time.Second)
		}
		io.WriteString(w, r.Method)
	})}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		if err := asyncio.Sleep(ctx, 4*time.Second-time.Millisecond); err != nil {
			return err
		}
		io.WriteString(s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := s.ReadAll(ctx)
		if got := string(all); !strings.Contains(got, "\r\n\r\nPOSTHTTP/1.1 200 OK") || !strings.HasSuffix(got, "\r\n\r\nGET") {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

// The time for a request begins with its header, and goes on with its body; without
// a limit a client may take as long as it likes.
func TestTheTimeForARequestIsThatOfHeaderAndBody(t *testing.T) {
	for _, limit := range []time.Duration{3 * time.Second, 0} {
		var began, ended time.Duration
		var got string
		srv := &asynchttp.Server{ReadTimeout: limit, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			ended = since(r.Context(), began)
			got = fmt.Sprintf("%s %v", b, err != nil)
		})}
		toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
			began = clock(ctx)
			io.WriteString(s, "POST / HTTP/1.1\r\nHost: x\r\n")
			pause := time.Second
			if limit == 0 {
				pause = time.Minute
			}
			if err := asyncio.Sleep(ctx, pause); err != nil {
				return err
			}
			io.WriteString(s, "Content-Length: 3\r\n\r\na")
			if limit == 0 {
				if err := asyncio.Sleep(ctx, pause); err != nil {
					return err
				}
				io.WriteString(s, "bc")
			}
			if _, err := s.ReadUntil(ctx, []byte("\r\n\r\n")); err != nil {
				return err
			}
			if limit > 0 && (ended != limit || got != "a true") || limit == 0 && (ended != 2*time.Minute || got != "abc false") {
				t.Errorf("with a limit of %v the body ended after %v: %s", limit, ended, got)
			}
			return nil
		})
	}
}

// A connection whose request was under way at a Shutdown ends with the response, but
// for a request that has come already.
func TestAShutdownEndsAConnectionAfterItsRequests(t *testing.T) {
	for _, n := range []int{1, 2} {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // so that it does not say that the connection ends
			_ = asyncio.Sleep(r.Context(), time.Second)
			io.WriteString(w, "served")
		})}
		toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
			began := clock(ctx)
			io.WriteString(s, strings.Repeat(getX, n))
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			down := asyncio.Go(ctx, func(ctx context.Context) error { return srv.Shutdown(ctx) })
			all, err := s.ReadAll(ctx)
			if got := strings.Count(string(all), "served"); got != n || err != nil {
				t.Errorf("%d of %d requests were served, %v", got, n, err)
			}
			if took := since(ctx, began); took != time.Duration(n)*time.Second {
				t.Errorf("of %d requests the end came after %v", n, took)
			}
			_, err = down.Await(ctx)
			return err
		})
	}
}
