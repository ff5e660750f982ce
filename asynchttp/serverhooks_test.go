package asynchttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

type ctxKey string

func TestContextsOfTheServersUser(t *testing.T) {
	base, end := context.WithCancelCause(context.WithValue(context.Background(), ctxKey("base"), "b"))
	over := errors.New("enough")
	started := make(chan bool, 1)
	var waited, cause error
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if ctx.Value(ctxKey("base")) != "b" || ctx.Value(ctxKey("conn")) != "c" || ctx.Value(http.ServerContextKey) == nil {
			t.Errorf("the values are %v, %v", ctx.Value(ctxKey("base")), ctx.Value(ctxKey("conn")))
		}
		started <- true
		waited = asyncio.Sleep(ctx, time.Hour)
		cause = context.Cause(ctx)
	})
	var listening string
	srv.BaseContext = func(l net.Listener) context.Context {
		listening = l.Addr().String()
		return base
	}
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if c.RemoteAddr() == nil {
			t.Error("no connection")
		}
		return context.WithValue(ctx, ctxKey("conn"), "c")
	}
	withServer(t, srv, func(addr string) error {
		if listening != addr {
			t.Errorf("the listener of BaseContext is at %q", listening)
		}
		go func() {
			<-started
			end(over)
		}()
		_, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return err
	})
	if !errors.Is(waited, context.Canceled) || cause != over {
		t.Errorf("the wait ended with %v, for %v", waited, cause)
	}
}

func TestConnStateIsTold(t *testing.T) {
	states := map[net.Conn][]http.ConnState{}
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hijack" {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
			}
			if states[c] == nil {
				t.Error("it is another connection than that of ConnState")
			}
			c.Close()
		}
	})
	srv.ConnState = func(c net.Conn, s http.ConnState) { states[c] = append(states[c], s) }
	withServer(t, srv, func(addr string) error {
		for _, text := range []string{
			"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n",
		} {
			if _, err := talk(addr, text); err != nil {
				return err
			}
		}
		c, err := net.Dial("tcp", addr) // and says nothing
		if err != nil {
			return err
		}
		defer c.Close()
		c.(*net.TCPConn).CloseWrite()
		_, err = io.ReadAll(c)
		return err
	})
	var got []string
	for _, s := range states {
		got = append(got, fmt.Sprint(s))
	}
	slices.Sort(got)
	if want := "[[new active hijacked] [new active idle active closed] [new closed]]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestConnectionsAboveTheBoundAreToldSo(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	srv.MaxConns = 2
	withServer(t, srv, func(addr string) error {
		var held []net.Conn
		for range 2 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			defer c.Close()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
				return err
			}
			held = append(held, c)
		}
		if got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Errorf("one too many: got %q, %v", got, err)
		}
		held[0].Close()
		for range 100 { // the server learns of that on its own time
			got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if strings.HasPrefix(got, "HTTP/1.1 200 ") {
				return err
			}
		}
		t.Error("a place that is free again is not given away")
		return nil
	})
}

func TestShutdownCallsWhoHasRegistered(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	var waited error = errors.New("was not called")
	run(t, func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var called asyncio.Event
		srv.RegisterOnShutdown(func() {
			waited = asyncio.Sleep(loop.CurrentTask().Context(), time.Millisecond)
			called.Set()
		})
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		if err := srv.Shutdown(ctx); err != nil {
			return err
		}
		return called.Wait(ctx)
	})
	if waited != nil {
		t.Error(waited)
	}
}

// A request that is on its way when the server is shut down is answered.
func TestShutdownLooksForRequestsThatHaveCome(t *testing.T) {
	onEveryDriver(t, testShutdownLooksForRequestsThatHaveCome)
}

func testShutdownLooksForRequestsThatHaveCome(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	run(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		conns := make([]net.Conn, 20)
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			for i := range conns {
				if conns[i], err = net.Dial("tcp", addr.String()); err != nil {
					return 0, err
				}
				io.WriteString(conns[i], "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
				if _, err := io.ReadFull(conns[i], make([]byte, 100)); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
		if err != nil {
			return err
		}
		// The loop does not look at its sockets between these.
		for _, c := range conns[10:] {
			io.WriteString(c, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if err := srv.Shutdown(ctx); err != nil {
			return err
		}
		for i, c := range conns {
			got, err := io.ReadAll(c)
			if answered := strings.Contains(string(got), "/late"); err != nil || answered != (i >= 10) {
				t.Errorf("connection %d got %q, %v", i, got, err)
			}
			if i >= 10 && !strings.Contains(string(got), "Connection: close") {
				t.Errorf("connection %d is not told that this is the end: %q", i, got)
			}
			c.Close()
		}
		return nil
	})
}

func TestTheTimeForAHeaderCoversTheHandshake(t *testing.T) {
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	srv := handle(echo)
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	srv.ReadHeaderTimeout = 20 * time.Millisecond
	withServer(t, srv, func(addr string) error {
		for _, said := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01", "GE"} {
			if got, err := talk(addr, said); got != "" || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q: got %q, %v", said, got, err)
			}
		}
		return nil
	})
}

func TestPlainHTTPOnATLSPortIsAnswered(t *testing.T) {
	onEveryDriver(t, testPlainHTTPOnATLSPortIsAnswered)
}

func testPlainHTTPOnATLSPortIsAnswered(t *testing.T) {
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	srv := handle(echo)
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	withServer(t, srv, func(addr string) error {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
			got, err := talk(addr, method+" / HTTP/1.1\r\nHost: x\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, "HTTP request to an HTTPS server") {
				t.Errorf("%s: got %q, %v", method, got, err)
			}
		}
		return nil
	})
}

func TestAHandlerThatBlocksTheLoopWithNetHTTPsTransportIsReported(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(echo))
	defer back.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &asynchttp.Transport{}
	proxy := func(t http.RoundTripper) http.Handler {
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: t}
	}
	byHand := func(traced, ours bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx, rt := r.Context(), http.DefaultTransport
			if ours {
				rt = tr
			}
			if traced {
				ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{})
			}
			if _, _, err := fetch(ctx, &http.Client{Transport: rt}, "GET", back.URL, nil); err != nil {
				t.Error(err)
			}
		}
	}
	inThread := func(w http.ResponseWriter, r *http.Request) {
		_, err := asyncio.ToThread(r.Context(), func(context.Context) (string, error) {
			_, got, err := fetch(r.Context(), http.DefaultClient, "GET", back.URL, nil)
			return got, err
		})
		if err != nil {
			t.Error(err)
		}
	}
	for name, x := range map[string]struct {
		handler http.Handler
		want    string // a pattern of the report; empty: there is none
	}{
		"a proxy with the default transport": {proxy(nil), "blocks the loop$"},
		"a proxy with ours":                  {proxy(tr), ""},
		"a client":                           {byHand(false, false), `blocks the loop at .*main_test\.go:\d+$`},
		"a client with a trace":              {byHand(true, false), `blocks the loop at .*main_test\.go:\d+$`},
		"our client":                         {byHand(false, true), ""},
		"our client with a trace":            {byHand(true, true), ""},
		"a client in a thread":               {http.HandlerFunc(inThread), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var reports []string
			tr = &asynchttp.Transport{}
			if p, ok := x.handler.(*httputil.ReverseProxy); ok && p.Transport != nil {
				p.Transport = tr
			}
			onLoop(t, x.handler, func(ctx context.Context, c *http.Client, url string) error {
				defer tr.Close()
				loop, err := asyncio.RunningLoop(ctx)
				if err != nil {
					return err
				}
				loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
					reports = append(reports, c.Message)
				})
				for range 2 {
					if _, err := get(ctx, c, url); err != nil {
						return err
					}
				}
				return nil
			})
			if x.want == "" && len(reports) != 0 || x.want != "" && (len(reports) != 1 || !regexp.MustCompile(x.want).MatchString(reports[0])) {
				t.Errorf("reported %q", reports)
			}
		})
	}
}

// A request whose context is of no loop is made with its own values.
func TestARequestsOwnValuesComeFirst(t *testing.T) {
	type key struct{}
	var seen []any
	tr := &asynchttp.Transport{DialContext: func(ctx context.Context, network, addr string) (*asyncio.Stream, error) {
		seen = append(seen, ctx.Value(key{}))
		// What is derived must still end with the request.
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		return asyncio.OpenConnection(derived, network, addr)
	}}
	back := httptest.NewServer(http.HandlerFunc(echo))
	defer back.Close()
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "task"), 10*time.Second)
	defer cancel()
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		defer tr.Close()
		c := &http.Client{Transport: tr}
		tr.DisableKeepAlives = true
		for _, ctx := range []context.Context{ctx, context.WithValue(ctx, key{}, "derived"), context.WithValue(context.Background(), key{}, "request")} {
			if _, err := get(ctx, c, back.URL); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || fmt.Sprint(seen) != "[task derived request]" {
		t.Errorf("got %v, %v", seen, err)
	}
}

func TestAnUpgradedConnectionIsClosedFromAnyGoroutine(t *testing.T) {
	gone := make(chan error, 1)
	back := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_, err := io.Copy(io.Discard, c)
			gone <- err
		}
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, err := http.NewRequestWithContext(ctx, "GET", back, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "x")
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		reader := asyncio.Go(ctx, func(context.Context) error {
			_, err := resp.Body.Read(make([]byte, 1))
			return err
		})
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			if err := resp.Body.Close(); err != nil {
				return 0, err
			}
			_, err := expect(gone, 1)
			return 0, err
		})
		if _, readErr := reader.Await(ctx); readErr == nil {
			t.Error("the read did not end")
		}
		return err
	})
}

// Over TLS a word would cost a handshake.
func TestConnectionsAboveTheBoundAreClosedOverTLS(t *testing.T) {
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	srv.MaxConns = 1
	withServer(t, srv, func(addr string) error {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer c.Close()
		got, err := talk(addr, "")
		if got != "" {
			t.Errorf("got %q", got)
		}
		return err
	})
}

// When very many connections come, not each can be told.
func TestFewConnectionsAreToldThatTheyAreTooMany(t *testing.T) {
	for !fewConnectionsAreToldThatTheyAreTooMany(t) {
		t.Log("they came too slowly here: again")
	}
}

// fewConnectionsAreToldThatTheyAreTooMany reports whether they came while the server was
// telling one: it waits for half a second until that leaves.
func fewConnectionsAreToldThatTheyAreTooMany(t *testing.T) (known bool) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	srv.MaxConns = 1
	withServer(t, srv, func(addr string) error {
		var conns []net.Conn
		began := time.Now()
		for range 3 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			conns = append(conns, c)
		}
		if known = time.Since(began) < 300*time.Millisecond; !known {
			return nil
		}
		// The first has the place, the second is told, and while that is under
		// way the third is not.
		told, closed := 0, 0
		for _, c := range conns[1:] {
			switch got, err := io.ReadAll(c); {
			case err != nil:
				return err
			case strings.HasPrefix(string(got), "HTTP/1.1 503 "):
				told++
			case len(got) == 0:
				closed++
			}
		}
		if told != 1 || closed != 1 {
			t.Errorf("%d were told, %d closed", told, closed)
		}
		return nil
	})
	return known
}

func TestNoRequestIsServedAfterClose(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { t.Error("a handler was called") })
	run(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		// The server has not accepted this one yet.
		c, err := net.Dial("tcp", addr.String()) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := srv.Close(); err != nil {
			return err
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (string, error) {
			b, _ := io.ReadAll(c) // a reset, or the end
			if len(b) > 0 {
				t.Errorf("got %q", b)
			}
			return "", nil
		})
		return err
	})
}

func TestTheLimitOfTheHeaderComesBeforeThatOfTheRequest(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	srv.ReadHeaderTimeout, srv.ReadTimeout, srv.IdleTimeout = 30*time.Millisecond, time.Hour, time.Hour
	withServer(t, srv, func(addr string) error {
		for text, want := range map[string]string{"": "", "GET / HT": "HTTP/1.1 408 "} {
			if got, err := talkWithin(srv.ReadHeaderTimeout, addr, text); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("%q: got %q, %v", text, got, err)
			}
		}
		return nil
	})
}

//asyncvet:ignore background what is closed needs no loop to say so
//asyncvet:ignore blocking and so this is none
func TestAServerIsStartedOnce(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	run(t, func(ctx context.Context) error {
		if srv.Addr() != nil {
			t.Error("it has an address before the start")
		}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:0"); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("the second start: %v", err)
		}
		if err := srv.Serve(ctx, "tcp", "127.0.0.1:0"); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("the third start: %v", err)
		}
		return srv.Shutdown(ctx)
	})
	for name, end := range map[string]func(s *asynchttp.Server) error{
		"Shutdown": func(s *asynchttp.Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*asynchttp.Server).Close,
	} {
		srv := handle(func(w http.ResponseWriter, r *http.Request) {})
		if err := end(srv); err != nil {
			t.Errorf("%s before the start: %v", name, err)
		}
		if _, err := srv.Start(context.Background(), "tcp", "127.0.0.1:0"); err != http.ErrServerClosed {
			t.Errorf("start after %s: %v", name, err)
		}
	}
}
