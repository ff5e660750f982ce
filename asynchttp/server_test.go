package asynchttp_test

import (
	"bufio"
	"context"
	"errors"
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

// withServer runs peer on a goroutine of its own, against a server on the loop.
func withServer(t *testing.T, srv *asynchttp.Server, peer func(addr string) error) {
	t.Helper()
	run(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
			return struct{}{}, peer(addr.String())
		})
		return errors.Join(err, srv.Shutdown(ctx))
	})
}

// handle is a server of one handler.
func handle(h http.HandlerFunc) *asynchttp.Server { return &asynchttp.Server{Handler: h} }

// goClient is net/http's client, on goroutines.
func goClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// talk sends text on a new connection and gives all that comes until its end.
func talk(addr, text string) (string, error) { return talkWithin(time.Hour, addr, text) }

// talkWithin is talk to a server that waits for no longer than limit.
func talkWithin(limit time.Duration, addr, text string) (string, error) {
	c, err := dialWithin(limit, addr, text)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return string(b), err
}

// dialWithin connects and says text. If that has taken this busy machine for longer than
// the server waits, it does so again.
func dialWithin(limit time.Duration, addr, text string) (net.Conn, error) {
	for {
		began := time.Now()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		_, err = io.WriteString(c, text)
		if time.Since(began) < limit {
			return c, errors.Join(err, c.SetDeadline(time.Now().Add(10*time.Second)))
		}
		_ = c.Close()
	}
}

// patiently calls try with a limit that something must come within, and where it fails
// with longer ones: this busy machine may have been too slow for the first, but what is
// wrong is so within each.
func patiently(t *testing.T, limit time.Duration, try func(limit time.Duration) error) {
	t.Helper()
	err := try(limit)
	for err != nil && limit < 2*time.Second {
		t.Logf("within %v: %v", limit, err)
		limit *= 5
		err = try(limit)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestServerAnswersNetHTTPsClient(t *testing.T) { onEveryDriver(t, testServerAnswersNetHTTPsClient) }

func testServerAnswersNetHTTPsClient(t *testing.T) {
	c := goClient(t)
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			for range 100 {
				io.WriteString(w, strings.Repeat("y", 1000))
			}
			return
		}
		if err := asyncio.Sleep(r.Context(), time.Millisecond); err != nil {
			t.Error(err)
		}
		echo(w, r)
	})
	withServer(t, srv, func(addr string) error {
		for _, x := range []struct {
			method, path string
			body         io.Reader
			want         string
		}{
			{"GET", "/a", nil, "GET /a 0"},
			{"POST", "/b", strings.NewReader("hello"), "POST /b 5"},
			{"PUT", "/big", strings.NewReader(strings.Repeat("x", 1<<20)), "PUT /big 1048576"},
			{"PUT", "/unknown", io.MultiReader(strings.NewReader("hello")), "PUT /unknown 5"},
			{"GET", "/redirect", nil, "GET / 0"},
			{"GET", "/gzip", nil, strings.Repeat("squeezed ", 1000)},
			{"GET", "/chunked", nil, "piecepiecepiece"},
			{"GET", "/long", nil, strings.Repeat("y", 100000)},
			{"GET", "/nothing", nil, ""},
			{"HEAD", "/head", nil, ""},
		} {
			req, err := http.NewRequest(x.method, "http://"+addr+x.path, x.body)
			if err != nil {
				return err
			}
			_, got, err := do(c, req)
			if err != nil || got != x.want {
				t.Errorf("%s %s: got %.60q, %v", x.method, x.path, got, err)
			}
		}
		return nil
	})
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		d := 3 * time.Millisecond
		if r.URL.Path != "/1" {
			d = 0
		}
		asyncio.Sleep(r.Context(), d)
		io.WriteString(w, r.URL.Path)
	})
	withServer(t, srv, func(addr string) error {
		got, err := talk(addr, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if err != nil {
			return err
		}
		br := bufio.NewReader(strings.NewReader(got))
		for i := range 3 {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				return err
			}
			b, _ := io.ReadAll(resp.Body)
			if want := fmt.Sprintf("/%d", i+1); string(b) != want {
				t.Errorf("answer %d is %q", i, b)
			}
		}
		return nil
	})
}

func TestServerRefusesWhatIsNotHTTP(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	srv.MaxHeaderBytes = 2000
	srv.MaxHeaderFields = 50
	for name, x := range map[string]struct{ text, want string }{
		"no HTTP":            {"hello\r\n\r\n", "400"},
		"no Host":            {"GET / HTTP/1.1\r\n\r\n", "400"},
		"two Hosts":          {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		"bad name":           {"GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", "400"},
		"HTTP/2":             {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
		"long header":        {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n", "431"},
		"many fields":        {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: 1\r\n", 60) + "\r\n", "431"},
		"differing lengths":  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		"unknown encoding":   {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", "501"},
		"unknown expect":     {"POST / HTTP/1.1\r\nHost: a\r\nExpect: rain\r\nContent-Length: 1\r\n\r\na", "417"},
		"well":               {"GET / HTTP/1.0\r\n\r\n", "200"},
		"unread body":        {"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "200"},
		"break before it":    {"\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"},
		"all of the server":  {"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"},
		"absolute with host": {"GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := &asynchttp.Server{Handler: srv.Handler, MaxHeaderBytes: 2000, MaxHeaderFields: 50}
			withServer(t, srv, func(addr string) error {
				got, err := talk(addr, x.text)
				if err != nil || !strings.HasPrefix(got, "HTTP/1.1 "+x.want) && !strings.HasPrefix(got, "HTTP/1.0 "+x.want) {
					t.Errorf("got %.80q, %v", got, err)
				}
				return nil
			})
		})
	}
}
