package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// inWorld runs main on a simulated machine that is alone in its world: time is
// the world's, so limits of time can be told to the millisecond and cost nothing.
func inWorld(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	sim.Test(t, func(w *sim.World) { w.Host("here").Go(main) }, sim.Seeds(1), sim.Once(), sim.NoStalls())
}

// clock returns the time of the loop of ctx.
func clock(ctx context.Context) time.Duration { return asyncio.CurrentTask(ctx).Loop().Time() }

// since returns the time since then, to the millisecond.
func since(ctx context.Context, began time.Duration) time.Duration {
	return (clock(ctx) - began).Round(time.Millisecond)
}

// toServer runs client with a connection to srv, in a world.
func toServer(t *testing.T, srv *asynchttp.Server, client func(ctx context.Context, s *asyncio.Stream) error) {
	t.Helper()
	inWorld(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:80")
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", addr.String())
		if err != nil {
			return err
		}
		defer s.Close()
		return errors.Join(client(ctx, s), srv.Close())
	})
}

const getX = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

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
		"the rest of a body":                   {asynchttp.Server{}, unread, "200", 5 * time.Second, 5*time.Second + linger},
		"the rest of a body, limited":          {asynchttp.Server{ReadTimeout: 2 * time.Second}, unread, "200", 2 * time.Second, 2*time.Second + linger},
		"a request after a body":               {asynchttp.Server{IdleTimeout: 3 * time.Second}, unread + "456789" + getX, "200 200", 3 * time.Second, 3 * time.Second},
		"a large body is not waited for":       {asynchttp.Server{}, strings.Replace(unread, "9", "999999", 1), "200", 0, linger},
		"the next request":                     {asynchttp.Server{IdleTimeout: 3 * time.Second}, getX, "200", 3 * time.Second, 3 * time.Second},
		"the next one, by another limit":       {asynchttp.Server{ReadTimeout: 4 * time.Second}, getX, "200", 4 * time.Second, 4 * time.Second},
		"the next request, and not its header": {asynchttp.Server{ReadHeaderTimeout: time.Second, IdleTimeout: 3 * time.Second}, getX, "200", 3 * time.Second, 3 * time.Second},
		"the first request":                    {asynchttp.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 2 * time.Second, IdleTimeout: 3 * time.Second}, "", "", time.Second, time.Second},
		"the first, by another limit":          {asynchttp.Server{ReadTimeout: 2 * time.Second, IdleTimeout: 3 * time.Second}, "", "", 2 * time.Second, 2 * time.Second},
		"the first, by the last limit":         {asynchttp.Server{IdleTimeout: 3 * time.Second}, "", "", 3 * time.Second, 3 * time.Second},
		"the rest of a header":                 {asynchttp.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 2 * time.Second}, getX[:9], "408", time.Second, time.Second + linger},
		"the rest, by another limit":           {asynchttp.Server{ReadTimeout: 2 * time.Second}, getX[:9], "408", 2 * time.Second, 2*time.Second + linger},
		"nobody, after the end":                {asynchttp.Server{}, closes, "200", 0, 0},
		"what came after the end":              {asynchttp.Server{}, closes + getX, "200", 0, linger},
		"what was too large":                   {asynchttp.Server{MaxHeaderBytes: 100}, getX[:16] + "X: " + strings.Repeat("x", 10000) + "\r\n\r\n", "431", 0, linger},
		"what was too much":                    {asynchttp.Server{MaxHeaderFields: 9}, getX[:16] + strings.Repeat("X: y\r\n", 10) + "\r\n", "431", 0, linger},
		"what was refused":                     {asynchttp.Server{}, "what?\r\n\r\n", "400", 0, linger},
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

// Who keeps a ResponseWriter writes nothing with it after its handler.
func TestAResponseEndsWithItsHandler(t *testing.T) {
	var kept http.ResponseWriter
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kept != nil {
			n, err := io.WriteString(kept, "late")
			fmt.Fprint(w, n, " ", err)
			if _, _, err := kept.(http.Hijacker).Hijack(); err == nil {
				t.Error("the connection is hijacked by who has it no more")
			}
		}
		kept = w
	})}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, getX+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := s.ReadAll(ctx)
		if got := string(all); !strings.HasSuffix(got, "0 asynchttp: the handler of this request has returned") || strings.Contains(got, "late") {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

// A Hijack whose flush fails is an error, and the response goes on as it was.
func TestAHijackThatCannotFlushIsAnError(t *testing.T) {
	var failed error
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = asyncio.Sleep(r.Context(), time.Second)
		_, _, failed = w.(http.Hijacker).Hijack()
	})}
	srv.WriteTimeout = 500 * time.Millisecond
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, getX)
		_, _ = s.ReadAll(ctx)
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		var late *asynchttp.TimeoutError
		if !errors.As(failed, &late) {
			t.Errorf("Hijack returned %v", failed)
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

// A handler's task that is cancelled while it reads is told so.
func TestAReadOfARequestsBodyMayBeCancelled(t *testing.T) {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		var failed error
		task := asyncio.CreateTask(r.Context(), func(context.Context) (int, error) {
			n, failed = r.Body.Read(make([]byte, 9))
			return n, failed
		})
		_ = asyncio.Sleep(r.Context(), time.Second)
		task.Cancel()
		_ = asyncio.Sleep(r.Context(), 0)
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, n, " ", asyncio.IsCancelled(failed), " ", string(b), " ", err)
	})}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n")
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		io.WriteString(s, "abc")
		all, err := s.ReadAll(ctx)
		if !strings.HasSuffix(string(all), "\r\n\r\n0 true abc <nil>") {
			t.Errorf("got %q, %v", all, err)
		}
		return nil
	})
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

// Whether a connection is kept is said where the client cannot know.
func TestAResponseSaysWhetherItsConnectionIsKept(t *testing.T) {
	for _, x := range []struct{ request, own, want string }{
		{"HTTP/1.1\r\nHost: x", "", ""},
		{"HTTP/1.1\r\nHost: x\r\nConnection: close", "", "close"},
		{"HTTP/1.1\r\nHost: x", "close", "close"},
		{"HTTP/1.1\r\nHost: x", "X-Own", "X-Own"},
		{"HTTP/1.1\r\nHost: x", "X-Own, close", "X-Own, close"},
		{"HTTP/1.1\r\nHost: x\r\nConnection: close", "X-Own", "close"},
		{"HTTP/1.0", "", ""},
		{"HTTP/1.0\r\nConnection: close", "", ""},
		{"HTTP/1.0\r\nConnection: keep-alive", "", "keep-alive"},
		{"HTTP/1.0\r\nConnection: keep-alive", "close", "close"},
	} {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if x.own != "" {
				w.Header().Set("Connection", x.own)
			}
			io.WriteString(w, "x")
		})}
		toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
			io.WriteString(s, "GET / "+x.request+"\r\n\r\n")
			head, err := s.ReadUntil(ctx, []byte("\r\n\r\n"))
			if err != nil {
				return err
			}
			_, got, _ := strings.Cut(string(head), "\r\nConnection: ")
			if got, _, _ = strings.Cut(got, "\r\n"); got != x.want {
				t.Errorf("%q, %q: it said %q, want %q", x.request, x.own, got, x.want)
			}
			return nil
		})
	}
}

// The time for a body is for waits, and not for who reads it.
func TestAReaderMayTakeItsTime(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		tr := &asynchttp.Transport{BodyTimeout: time.Second}
		req, err := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/", nil)
		if err != nil {
			return err
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 2)); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if got, err := io.ReadAll(resp.Body); string(got) != "llo" || err != nil {
			t.Errorf("the rest is %q, %v", got, err)
		}
		return errors.Join(tr.Close(), srv.Close())
	})
}

// Those who have registered are told of one Shutdown.
func TestShutdownTellsOnce(t *testing.T) {
	told := 0
	srv := &asynchttp.Server{}
	srv.RegisterOnShutdown(func() { told++ })
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		for range 2 {
			if err := srv.Shutdown(ctx); err != nil {
				return err
			}
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if told != 1 {
			t.Errorf("it was told %d times", told)
		}
		return nil
	})
}

// What a trace is told of a connection that is made, by name and by number, and of
// one that is not.
func TestTheTraceIsToldOfTheWayToAHost(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		host := w.Host("here")
		ip := host.Addr().String()
		w.DNS("a.name", sim.DNSAnswer{Addrs: []netip.Addr{host.Addr()}})
		host.Go(func(ctx context.Context) error {
			srv := &asynchttp.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
			if _, err := srv.Start(ctx, "tcp", ":80"); err != nil {
				return err
			}
			var told []string
			note := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				GetConn:  func(hostPort string) { note("get %s", hostPort) },
				DNSStart: func(i httptrace.DNSStartInfo) { note("look up %s", i.Host) },
				DNSDone: func(i httptrace.DNSDoneInfo) {
					for _, a := range i.Addrs {
						note("found %s", a.String())
					}
				},
				ConnectStart: func(network, addr string) { note("to %s %s", network, addr) },
				ConnectDone:  func(network, addr string, err error) { note("at %s %s %v", network, addr, err == nil) },
			})
			tr := &asynchttp.Transport{DisableKeepAlives: true}
			for url, want := range map[string]string{
				"http://a.name/":         "get a.name:80, look up a.name, found IP, to tcp IP:80, at tcp IP:80 true",
				"http://a.name:81/":      "get a.name:81, look up a.name, found IP, to tcp IP:81, at tcp IP:81 false",
				"http://" + ip + "/":     "get IP:80, to tcp IP:80, at tcp IP:80 true",
				"http://" + ip + ":81/x": "get IP:81, to tcp IP:81, at tcp IP:81 false",
			} {
				told = nil
				_, err := get(traced, &http.Client{Transport: tr}, url)
				if got := strings.ReplaceAll(strings.Join(told, ", "), ip, "IP"); got != want {
					t.Errorf("%s: it was told %s, want %s", url, got, want)
				}
				if strings.HasSuffix(want, "true") != (err == nil) {
					t.Errorf("%s: %v", url, err)
				}
			}
			return errors.Join(tr.Close(), srv.Close())
		})
	}, sim.Seeds(1), sim.Once(), sim.NoStalls())
}

// A URL that is none is an error of the functions for the running loop's client.
func TestAURLThatIsNone(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		for _, ask := range []func() (*http.Response, error){
			func() (*http.Response, error) { return asynchttp.Get(ctx, ":none") },
			func() (*http.Response, error) { return asynchttp.Post(ctx, ":none", "", nil) },
		} {
			if resp, err := ask(); resp != nil || err == nil || !strings.Contains(err.Error(), ":none") {
				t.Errorf("got %v, %v", resp, err)
			}
		}
		return nil
	})
}
