package asynchttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// connCount is a server that tells over which of its connections, counted from
// 1, each request has come.
func connCount(t *testing.T, answer func(n int) string) (url string, ended chan int) {
	conns := make(chan int, 1)
	conns <- 0
	ended = make(chan int, 10)
	url = rawServer(t, func(c net.Conn) {
		n := <-conns + 1
		conns <- n
		br := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				ended <- n
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, answer(n))
		}
	})
	return url, ended
}

func TestAConnectionThatCannotBeKeptIsClosed(t *testing.T) {
	for name, x := range map[string]struct {
		answer string
		change func(*http.Request, *asynchttp.Transport)
		kept   bool
	}{
		"kept":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", nil, true},
		"the server closes":    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", nil, false},
		"HTTP/1.0":             {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", nil, false},
		"more than announced":  {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", nil, false},
		"the client closes":    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", func(r *http.Request, _ *asynchttp.Transport) { r.Close = true }, false},
		"by a field":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", func(r *http.Request, _ *asynchttp.Transport) { r.Header.Set("Connection", "close") }, false},
		"never":                {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", func(_ *http.Request, tr *asynchttp.Transport) { tr.DisableKeepAlives = true }, false},
		"nothing in it":        {"HTTP/1.1 204 No Content\r\n\r\n", nil, true},
		"nothing, and closes":  {"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", nil, false},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", nil, true},
		"chunked and too much": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			url, ended := connCount(t, func(int) string { return x.answer })
			tr := &asynchttp.Transport{}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
				if err != nil {
					return err
				}
				if x.change != nil {
					x.change(req, tr)
				}
				if _, _, err := do(c, req); err != nil {
					return err
				}
				all, idle, _ := tr.Counts()
				if x.kept != (idle == 1) || all != idle {
					t.Errorf("%d connections, %d of them idle", all, idle)
				}
				if !x.kept {
					_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return expect(ended, 1) })
					return err
				}
				if _, _, err := do(c, req); err != nil {
					return err
				}
				if all, idle, _ := tr.Counts(); all != 1 || idle != 1 {
					t.Errorf("after the second request: %d connections, %d of them idle", all, idle)
				}
				return nil
			})
		})
	}
}

// A server that answers before it has read the body gets the rest for a moment,
// and the connection is given up then.
func TestAResponseBeforeTheEndOfTheBodyEndsTheConnection(t *testing.T) {
	ended := make(chan int64, 1)
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		n, _ := io.Copy(io.Discard, io.LimitReader(c, 1<<40))
		ended <- n
	})
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		closed := false
		body := &endlessBody{ctx: ctx, closed: &closed}
		resp, _, err := fetch(ctx, c, "PUT", url, body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %v", resp.Status)
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (int64, error) { return expect(ended, 1) })
		if all, idle, _ := tr.Counts(); all != 0 || idle != 0 || !closed {
			t.Errorf("%d connections, %d idle; the body is closed: %v", all, idle, closed)
		}
		return err
	})
}

// endlessBody gives a byte a millisecond.
type endlessBody struct {
	ctx    context.Context
	closed *bool
}

func (b *endlessBody) Read(p []byte) (int, error) {
	loop, err := asyncio.RunningLoop(b.ctx)
	if err != nil {
		return 0, err
	}
	if err := asyncio.Sleep(loop.CurrentTask().Context(), time.Millisecond); err != nil {
		return 0, err
	}
	return copy(p, "x"), nil
}

func (b *endlessBody) Close() error {
	*b.closed = true
	return nil
}

func TestDeadlinesOfAHijackedConnection(t *testing.T) {
	onEveryDriver(t, testDeadlinesOfAHijackedConnection)
}

func testDeadlinesOfAHijackedConnection(t *testing.T) {
	patiently(t, 50*time.Millisecond, func(limit time.Duration) error { return deadlinesOfAHijackedConnection(t, limit) })
}

func deadlinesOfAHijackedConnection(t *testing.T, limit time.Duration) (failed error) {
	// The server's own limits must not reach the connection of another.
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		conn, rw, err := rc.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		asyncio.Go(r.Context(), func(ctx context.Context) error {
			defer conn.Close()
			if err := asyncio.Sleep(ctx, 3*limit); err != nil {
				return err
			}
			line, err := rw.ReadString('\n')
			fmt.Fprintf(conn, "%s%v,", line, err)
			if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Error(err)
			}
			_, err = conn.Read(make([]byte, 1))
			fmt.Fprintf(conn, "%v", errors.Is(err, os.ErrDeadlineExceeded))
			return nil
		})
	})
	srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = limit, limit, limit
	withServer(t, srv, func(addr string) error {
		for _, text := range []string{
			"GET / HTTP/1.1\r\nHost: x\r\n\r\nhello\n",
			"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nhello\n",
		} {
			got, err := talkWithin(srv.ReadTimeout, addr, text)
			if got != "hello\n<nil>,true" {
				failed = fmt.Errorf("%q: got %q, %v", text, got, err)
			}
		}
		return nil
	})
	return failed
}

// Shutdown waits for no hijacked connection, and Close leaves it alone.
func TestAHijackedConnectionIsNotTheServers(t *testing.T) {
	for name, end := range map[string]func(s *asynchttp.Server, ctx context.Context) error{
		"Shutdown": (*asynchttp.Server).Shutdown,
		"Close":    func(s *asynchttp.Server, _ context.Context) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var conn net.Conn
			var taken asyncio.Event
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				c, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
				}
				if _, _, err := w.(http.Hijacker).Hijack(); err != http.ErrHijacked {
					t.Errorf("again: %v", err)
				}
				conn = c
				taken.Set()
			})
			run(t, func(ctx context.Context) error {
				addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				s, err := asyncio.OpenConnection(ctx, "tcp", addr.String())
				if err != nil {
					return err
				}
				defer s.Close()
				io.WriteString(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if err := taken.Wait(ctx); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, 0); err != nil { // the handler has returned
					return err
				}
				if err := end(srv, ctx); err != nil {
					return err
				}
				if _, err := io.WriteString(conn, "still there"); err != nil {
					return err
				}
				if err := conn.Close(); err != nil {
					return err
				}
				got, err := io.ReadAll(s)
				if string(got) != "still there" {
					t.Errorf("got %q", got)
				}
				return err
			})
		})
	}
}

// What a handler has set counts for its request only.
func TestDeadlinesOfAHandlerEndWithIt(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			rc := http.NewResponseController(w)
			past := time.Now().Add(5 * time.Millisecond)
			if err := errors.Join(rc.SetReadDeadline(past), rc.SetWriteDeadline(past)); err != nil {
				t.Error(err)
			}
		}
		io.WriteString(w, r.URL.Path)
	})
	withServer(t, srv, func(addr string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		br := bufio.NewReader(c)
		for _, path := range []string{"/first", "/second"} {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != path {
				t.Errorf("got %q, %v", b, err)
			}
			// Past the deadline of the first.
			<-time.After(10 * time.Millisecond)
		}
		return nil
	})
}

func TestAPanicAfterAPartOfTheResponseCutsItOff(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 10000))
		panic(http.ErrAbortHandler)
	})
	withServer(t, srv, func(addr string) error {
		req, err := http.NewRequest("GET", "http://"+addr, nil)
		if err != nil {
			return err
		}
		if _, got, err := do(goClient(t), req); err == nil {
			t.Errorf("the client takes %d bytes for all", len(got))
		}
		return nil
	})
}

func TestTheEndOfTheContextLeavesAnUpgradedConnectionAlone(t *testing.T) {
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			p := make([]byte, 4)
			io.ReadFull(c, p)
			c.Write(p)
		}
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		req, err := http.NewRequestWithContext(short, "GET", url, nil)
		if err != nil {
			return err
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		cancel()
		for range 5 { // whoever heeds the end would do so now
			if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil }); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(resp.Body.(io.Writer), "ping"); err != nil {
			return err
		}
		got, err := io.ReadAll(resp.Body)
		if string(got) != "ping" {
			t.Errorf("got %q", got)
		}
		return err
	})
}

// A body that waits is not waited for when its request has failed.
func TestTheBodyOfAFailedRequestIsInterrupted(t *testing.T) {
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, "what?\r\n\r\n")
			io.Copy(io.Discard, struct{ io.Reader }{c})
		}
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		var readErr error
		var read asyncio.Event
		body := readFunc(func([]byte) (int, error) {
			loop, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return 0, err
			}
			readErr = asyncio.Sleep(loop.CurrentTask().Context(), time.Hour)
			read.Set()
			return 0, readErr
		})
		var malformed *asynchttp.MalformedResponseError
		if _, _, err := fetch(ctx, c, "PUT", url, body); !errors.As(err, &malformed) {
			t.Errorf("got %v", err)
		}
		if err := read.Wait(ctx); err != nil {
			return err
		}
		if !asyncio.IsCancelled(readErr) {
			t.Errorf("the body's wait: %v", readErr)
		}
		return nil
	})
}

func TestTheLimitOfAHeaderEndsWithTheHeader(t *testing.T) {
	const limit = 50 * time.Millisecond
	for !theLimitOfAHeaderEndsWithTheHeader(t, limit) {
		t.Logf("a header was on its way for %v here: again", limit)
	}
}

// theLimitOfAHeaderEndsWithTheHeader reports whether the machine was fast enough to tell.
func theLimitOfAHeaderEndsWithTheHeader(t *testing.T, limit time.Duration) (known bool) {
	url, _ := connCount(t, func(n int) string { return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n) })
	tr := &asynchttp.Transport{ResponseHeaderTimeout: limit}
	known = true
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		for range 2 {
			began := time.Now()
			got, err := get(ctx, c, url)
			if known = err == nil || time.Since(began) < limit; !known {
				return nil
			}
			if got != "1" {
				t.Errorf("got %q, %v", got, err)
			}
			if err := asyncio.Sleep(ctx, 80*time.Millisecond); err != nil {
				return err
			}
		}
		if _, idle, _ := tr.Counts(); idle != 1 {
			t.Errorf("%d connections are idle", idle)
		}
		return nil
	})
	return known
}
