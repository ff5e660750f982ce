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
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestClientAndServerOnOneLoop(t *testing.T) { onEveryDriver(t, testClientAndServerOnOneLoop) }

func testClientAndServerOnOneLoop(t *testing.T) {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(echo)}
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 50 {
				g.Go(func(ctx context.Context) error {
					for i := range 10 {
						body := strings.Repeat("x", i*20000)
						want := fmt.Sprintf("PUT /x %d", len(body))
						if _, got, err := fetch(ctx, c, "PUT", "http://"+addr.String()+"/x", strings.NewReader(body)); got != want {
							return fmt.Errorf("got %q: %w", got, err)
						}
					}
					return nil
				})
			}
			return nil
		})
		return errors.Join(err, srv.Shutdown(ctx))
	})
}

func TestServerOverTLS(t *testing.T) {
	// A certificate, without making one.
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	srv := handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.HandshakeComplete) })
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	withServer(t, srv, func(addr string) error {
		req, err := http.NewRequest("GET", "https://"+addr, nil)
		if err != nil {
			return err
		}
		if _, got, err := do(peer.Client(), req); got != "true" {
			t.Errorf("got %q, %v", got, err)
		}
		peer.Client().CloseIdleConnections()
		return nil
	})
}

func TestShutdownWaitsForAnswersAndClosesIdleConnections(t *testing.T) {
	onEveryDriver(t, testShutdownWaitsForAnswersAndClosesIdleConnections)
}

func testShutdownWaitsForAnswersAndClosesIdleConnections(t *testing.T) {
	var began, mayEnd asyncio.Event
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began.Set()
			if err := mayEnd.Wait(r.Context()); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, "done")
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		url := "http://" + addr.String()
		if _, err := get(ctx, c, url); err != nil { // leaves an idle connection
			return err
		}
		slow := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, url+"/slow") })
		if err := began.Wait(ctx); err != nil {
			return err
		}
		shutdown := asyncio.Go(ctx, srv.Shutdown)
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		if shutdown.Done() {
			t.Error("Shutdown did not wait")
		}
		mayEnd.Set()
		if got, err := slow.Await(ctx); got != "done" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := shutdown.Await(ctx); err != nil {
			return err
		}
		if _, err := get(ctx, c, url); err == nil {
			t.Error("the server still answers")
		}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:0"); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("start after the end: %v", err)
		}
		return nil
	})
}

func TestShutdownThatIsCutShortEndsTheHandlers(t *testing.T) {
	var began asyncio.Event
	var handlerErr error
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		began.Set()
		handlerErr = asyncio.Sleep(r.Context(), time.Hour)
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		slow := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, "http://"+addr.String()) })
		if err := began.Wait(ctx); err != nil {
			return err
		}
		err = asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error { return srv.Shutdown(ctx) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		if _, err := slow.Await(ctx); err == nil {
			t.Error("the client got an answer")
		}
		if !asyncio.IsCancelled(handlerErr) {
			t.Errorf("the handler: %v", handlerErr)
		}
		return nil
	})
}

func TestServeEndsWithItsTask(t *testing.T) {
	srv := handle(echo)
	run(t, func(ctx context.Context) error {
		serving := asyncio.Go(ctx, func(ctx context.Context) error { return srv.Serve(ctx, "tcp", "127.0.0.1:0") })
		asyncio.Sleep(ctx, 0)
		if srv.Addr() == nil {
			t.Error("not started")
		}
		serving.Cancel()
		if _, err := serving.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("got %v", err)
		}
		if _, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String()); err == nil {
			t.Error("the server still listens")
		}
		return nil
	})
}

func TestAPanicClosesTheConnectionAndIsReported(t *testing.T) {
	var reported []asyncio.ExceptionContext
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("oh no")
	})
	run(t, func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c) })
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		for _, path := range []string{"/abort", "/panic"} {
			if _, err := get(ctx, &http.Client{Transport: tr}, "http://"+addr.String()+path); err == nil {
				t.Errorf("%s gave an answer", path)
			}
		}
		return srv.Shutdown(ctx)
	})
	var p *asyncio.PanicError
	if len(reported) != 1 || !errors.As(reported[0].Err, &p) || p.Value != "oh no" {
		t.Errorf("reported %v", reported)
	}
}

func TestHijack(t *testing.T) { onEveryDriver(t, testHijack) }

func testHijack(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("write after: %v", err)
		}
		// The connection outlives the handler.
		asyncio.Go(r.Context(), func(context.Context) error {
			defer conn.Close()
			line, err := rw.ReadString('\n')
			fmt.Fprintf(conn, "you said %s", line)
			return err
		})
	})
	withServer(t, srv, func(addr string) error {
		got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\nhello\n")
		if got != "you said hello\n" {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

func TestTimeLimitsOfTheServer(t *testing.T) {
	for name, x := range map[string]struct {
		set  func(s *asynchttp.Server, d time.Duration)
		send string
	}{
		"first request": {func(s *asynchttp.Server, d time.Duration) { s.ReadHeaderTimeout = d }, ""},
		"header":        {func(s *asynchttp.Server, d time.Duration) { s.ReadHeaderTimeout = d }, "GET / HT"},
		"body":          {func(s *asynchttp.Server, d time.Duration) { s.ReadTimeout = d }, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"},
		"idle":          {func(s *asynchttp.Server, d time.Duration) { s.IdleTimeout = d }, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		"answer":        {func(s *asynchttp.Server, d time.Duration) { s.WriteTimeout = d }, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			patiently(t, 5*time.Millisecond, func(limit time.Duration) (failed error) {
				srv := handle(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						asyncio.Sleep(r.Context(), 10*limit)
					}
					io.Copy(io.Discard, r.Body)
				})
				x.set(srv, limit)
				withServer(t, srv, func(addr string) error {
					got, err := talk(addr, x.send)
					var late net.Error
					if errors.As(err, &late) && late.Timeout() {
						failed = fmt.Errorf("the connection stays open: %q, %v", got, err)
					} else if (name == "idle") != strings.HasPrefix(got, "HTTP/1.1 200") {
						failed = fmt.Errorf("got %q, %v", got, err)
					}
					return nil
				})
				return failed
			})
		})
	}
}

func TestAHandlerThatTakesLongerThanReadTimeoutAnswers(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil && r.Method == "PUT" {
			t.Error(err)
		}
		asyncio.Sleep(r.Context(), 20*time.Millisecond)
		fmt.Fprint(w, "late")
	})
	srv.ReadTimeout = 5 * time.Millisecond
	withServer(t, srv, func(addr string) error {
		for _, text := range []string{"GET / HTTP/1.1\r\n", "PUT / HTTP/1.1\r\nContent-Length: 2\r\n"} {
			got, err := talkWithin(srv.ReadTimeout, addr, text+"Host: x\r\nConnection: close\r\n\r\nab")
			if !strings.HasSuffix(got, "late") {
				t.Errorf("got %q, %v", got, err)
			}
		}
		return nil
	})
}

func TestResponsesOfTheServer(t *testing.T) {
	for name, x := range map[string]struct {
		handler http.HandlerFunc
		request string
		has     []string
		not     []string
	}{
		"a short one has a length": {
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }, "GET / HTTP/1.1",
			[]string{"Content-Length: 6\r\n", "Content-Type: text/html; charset=utf-8\r\n", "Date: ", "\r\n\r\n<html>"}, []string{"Transfer-Encoding"},
		},
		"an empty one has a length": {
			func(w http.ResponseWriter, r *http.Request) {}, "GET / HTTP/1.1",
			[]string{"Content-Length: 0\r\n"}, []string{"Content-Type"},
		},
		"a flushed one is chunked": {
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "abc"); w.(http.Flusher).Flush() }, "GET / HTTP/1.1",
			[]string{"Transfer-Encoding: chunked\r\n", "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}, []string{"Content-Length"},
		},
		"a long one to HTTP/1.0 ends with the connection": {
			func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 10000)) }, "GET / HTTP/1.0\r\nConnection: keep-alive",
			[]string{"HTTP/1.0 200 OK\r\n", "xxx"}, []string{"Content-Length", "Transfer-Encoding", "keep-alive"},
		},
		"204 has no body": {
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(204)
				if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed {
					t.Error(err)
				}
			}, "GET / HTTP/1.1",
			[]string{"HTTP/1.1 204 No Content\r\n"}, []string{"Content-Length", "Transfer-Encoding", "\r\n\r\nx"},
		},
		"304 keeps its header": {
			func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", "x"); w.WriteHeader(304) }, "GET / HTTP/1.1",
			[]string{"304 Not Modified\r\n", "Etag: x\r\n"}, []string{"Content-Length"},
		},
		"HEAD has the length and no body": {
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "abc") }, "HEAD / HTTP/1.1",
			[]string{"Content-Length: 3\r\n"}, []string{"abc"},
		},
		"the handler's length counts": {
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "3")
				fmt.Fprint(w, "abc")
				if _, err := fmt.Fprint(w, "d"); err != http.ErrContentLength {
					t.Error(err)
				}
			}, "GET / HTTP/1.1",
			[]string{"Content-Length: 3\r\n", "\r\n\r\nabc"}, []string{"abcd"},
		},
		"early hints come first": {
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</a>")
				w.WriteHeader(http.StatusEarlyHints)
				fmt.Fprint(w, "x")
			}, "GET / HTTP/1.1",
			[]string{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"}, nil,
		},
		"later changes of the header do not count": {
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(200)
				w.Header().Set("Late", "x")
			}, "GET / HTTP/1.1", nil, []string{"Late"},
		},
		"trailers, declared and not": {
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "A")
				fmt.Fprint(w, "x")
				w.Header().Set("A", "1")
				w.Header().Set(http.TrailerPrefix+"B", "2")
			}, "GET / HTTP/1.1",
			[]string{"Trailer: A\r\n", "1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\n\r\n"}, []string{"Content-Length"},
		},
		"what is left of a body is read": {
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") }, "PUT / HTTP/1.1\r\nContent-Length: 0",
			[]string{"Content-Length: 1\r\n"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			withServer(t, handle(x.handler), func(addr string) error {
				end := "\r\nHost: x\r\nConnection: close\r\n\r\n"
				if strings.Contains(x.request, "Connection") {
					end = "\r\nHost: x\r\n\r\n"
				}
				got, err := talk(addr, x.request+end)
				if err != nil {
					return err
				}
				for _, s := range x.has {
					if !strings.Contains(got, s) {
						t.Errorf("%q is not in %.300q", s, got)
					}
				}
				for _, s := range x.not {
					if strings.Contains(got, s) {
						t.Errorf("%q is in %.300q", s, got)
					}
				}
				return nil
			})
		})
	}
}

func TestDeadlinesOfAHandler(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if err := errors.Join(rc.SetWriteDeadline(time.Now().Add(time.Hour)), rc.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
		http.Error(w, "too slow", http.StatusRequestTimeout)
	})
	withServer(t, srv, func(addr string) error {
		got, err := talk(addr, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
		if !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "Connection: close") {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

func TestTheServerSaysContinueWhenTheBodyIsRead(t *testing.T) {
	c := goClient(t)
	c.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	withServer(t, handle(echo), func(addr string) error {
		said := false
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			said = code == 100
			return nil
		}}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "PUT", "http://"+addr, strings.NewReader("body"))
		if err != nil {
			return err
		}
		req.Header.Set("Expect", "100-continue")
		if _, got, err := do(c, req); got != "PUT / 4" || !said {
			t.Errorf("got %q, %v; 100 Continue %v", got, err, said)
		}
		return nil
	})
}

func TestAHandlerOnAnotherGoroutineGetsAnError(t *testing.T) {
	var kept http.ResponseWriter
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		_, err := asyncio.ToThread(r.Context(), func(context.Context) (int, error) {
			if _, err := w.Write([]byte("x")); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("write: %v", err)
			}
			if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("read: %v", err)
			}
			return 0, nil
		})
		if err != nil {
			t.Error(err)
		}
		kept = w
	})
	withServer(t, srv, func(addr string) error {
		_, err := talk(addr, "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab")
		return err
	})
	run(t, func(ctx context.Context) error {
		if _, err := kept.Write([]byte("late")); err == nil {
			t.Error("a write after the handler was taken")
		}
		return nil
	})
}

func TestALongResponseArrivesWhole(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	withServer(t, srv, func(addr string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if n != 1000*64<<10 {
			t.Errorf("got %d bytes, %v", n, err)
		}
		return nil
	})
}
