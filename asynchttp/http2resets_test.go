package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// ended waits until ctx ends, on a loop or not.
func ended(ctx context.Context) error {
	if _, err := asyncio.RunningLoop(ctx); err == nil {
		return asyncio.WaitDone(ctx)
	}
	<-ctx.Done()
	return ctx.Err()
}

// A upload is a body that sends some bytes, and then nothing until its context ends.
type upload struct {
	ctx  context.Context
	left int
}

func (u *upload) Read(p []byte) (int, error) {
	if u.left > 0 {
		n := min(u.left, len(p))
		u.left -= n
		return n, nil
	}
	return 0, ended(u.ctx)
}

// A reset is a request that one side gives up, in one state of its stream.
type reset struct {
	method  string
	handler func(w http.ResponseWriter, r *http.Request, here func()) // here lets the client go on
	client  func(resp *http.Response, cancel func())                  // what it does with a response
	cancel  bool                                                      // when the handler is there

	// loopOnly says why net/http's client is left out.
	loopOnly string
}

// kind says what an error is, in words that both sides share.
func kind(err error) string {
	switch {
	case err == nil:
		return "nothing"
	case err == io.EOF:
		return "the end"
	case errors.Is(err, context.Canceled), asyncio.IsCancelled(err):
		return "cancelled"
	}
	return "an error"
}

var flush = func(w http.ResponseWriter) { w.(http.Flusher).Flush() }

var resets = map[string]reset{
	"the client, before the response": {"GET", func(w http.ResponseWriter, r *http.Request, here func()) { here(); ended(r.Context()) }, nil, true, ""},
	"the client, after the header": {"GET", func(w http.ResponseWriter, r *http.Request, here func()) {
		flush(w)
		ended(r.Context())
	}, func(resp *http.Response, _ func()) { resp.Body.Close() }, false, ""},
	"the client, by its context, after the header": {"GET", func(w http.ResponseWriter, r *http.Request, here func()) {
		flush(w)
		ended(r.Context())
	}, func(resp *http.Response, cancel func()) { cancel(); io.Copy(io.Discard, resp.Body); resp.Body.Close() }, false, ""},
	"the client, in the body": {"GET", func(w http.ResponseWriter, r *http.Request, here func()) {
		w.Write(make([]byte, 10_000))
		flush(w)
		ended(r.Context())
	}, func(resp *http.Response, _ func()) { io.CopyN(io.Discard, resp.Body, 5000); resp.Body.Close() }, false, ""},
	"the client, in its own body": {"POST", func(w http.ResponseWriter, r *http.Request, here func()) {
		io.ReadFull(r.Body, make([]byte, 1000))
		here()
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			panic("the body was taken for whole")
		}
		ended(r.Context())
	}, nil, true, ""},
	"the client, in both bodies": {"POST", func(w http.ResponseWriter, r *http.Request, here func()) {
		io.ReadFull(r.Body, make([]byte, 1000))
		w.Write(make([]byte, 10_000))
		flush(w)
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			panic("the body was taken for whole")
		}
		ended(r.Context())
	}, func(resp *http.Response, cancel func()) {
		io.CopyN(io.Discard, resp.Body, 5000)
		cancel()
		resp.Body.Close()
	}, false, ""},
	"the server, before the response": {"GET", func(http.ResponseWriter, *http.Request, func()) { panic(http.ErrAbortHandler) }, nil, false, ""},
	"the server, after the header": {"GET", func(w http.ResponseWriter, _ *http.Request, _ func()) { flush(w); panic(http.ErrAbortHandler) },
		func(resp *http.Response, _ func()) { resp.Body.Close() }, false, ""},
	"the server, in the body": {"GET", func(w http.ResponseWriter, _ *http.Request, _ func()) {
		w.Write(make([]byte, 10_000))
		flush(w)
		panic(http.ErrAbortHandler)
	}, nil, false, ""},
	"the server, in the client's body": {"POST", func(w http.ResponseWriter, r *http.Request, _ func()) {
		io.ReadFull(r.Body, make([]byte, 1000))
		panic(http.ErrAbortHandler)
	}, nil, false, "its connection hangs after that, with its own server too"},
	"the server, short of what it announced": {"GET", func(w http.ResponseWriter, _ *http.Request, _ func()) {
		w.Header().Set("Content-Length", "10000")
		w.Write(make([]byte, 100))
	}, nil, false, ""},
	"the server, with a response before the client's body": {"POST", func(w http.ResponseWriter, _ *http.Request, _ func()) { w.WriteHeader(413) }, nil, false, ""},
}

// outcome does a request with a client, and one more over the same connection. What
// it returns is what both sides have seen.
func outcome(ctx context.Context, c *http.Client, url string, x reset, here, gone chan string, wait func(chan string) string) (string, error) {
	if _, err := get(ctx, c, url+"/warm"); err != nil {
		return "", err
	}
	mine, cancel := context.WithCancel(ctx)
	defer cancel()
	if x.cancel {
		watch := make(chan struct{})
		defer func() { <-watch }()
		go func() { // cancels from outside of the loop, as others would
			<-here
			cancel()
			close(watch)
		}()
	}
	var body io.Reader
	if x.method == "POST" {
		body = &upload{mine, 20_000}
	}
	req, err := http.NewRequestWithContext(mine, x.method, url+"/reset", body)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	saw := "client: " + kind(err)
	if err == nil {
		if x.client != nil {
			x.client(resp, cancel)
		} else {
			n, err := io.Copy(io.Discard, resp.Body)
			saw += fmt.Sprintf(", %d, %d bytes and %s", resp.StatusCode, n, kind(err))
			resp.Body.Close()
		}
	}
	cancel() // of the upload
	saw += "; handler: " + wait(gone)
	reused := false
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	if _, err := get(httptrace.WithClientTrace(ctx, trace), c, url+"/warm"); err != nil {
		return "", fmt.Errorf("second after %s: %w", saw, err)
	}
	return saw + fmt.Sprint("; the connection goes on: ", reused), nil
}

// Whoever resets a stream, and in whatever state, both sides see what they see with
// net/http, and the connection goes on.
func TestAResetInEveryStateIsThatOfNetHTTP(t *testing.T) {
	for name, x := range resets {
		t.Run(name, func(t *testing.T) {
			here, gone := make(chan string, 1), make(chan string, 1)
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/warm" {
					return
				}
				end := "returned"
				defer func() {
					v := recover()
					if v != nil {
						end = fmt.Sprint(v)
					}
					gone <- end
					if v != nil {
						panic(http.ErrAbortHandler)
					}
				}()
				x.handler(w, r, func() { here <- "" })
			})
			want := ""
			for _, server := range []string{"net/http", "asynchttp"} {
				for _, client := range []string{"net/http", "asynchttp"} {
					if client == "net/http" && x.loopOnly != "" {
						continue
					}
					got := resetWith(t, server, client, h, func(ctx context.Context, c *http.Client, url string, wait func(chan string) string) (string, error) {
						return outcome(ctx, c, url, x, here, gone, wait)
					})
					if want == "" {
						want = got
					}
					if got != want {
						t.Errorf("a server of %s and a client of %s:\n got  %s\n want %s", server, client, got, want)
					}
				}
			}
			if !strings.HasSuffix(want, "goes on: true") {
				t.Error(want)
			}
		})
	}
}

// resetWith runs f with a server and a client of these packages.
func resetWith(t *testing.T, server, client string, h http.Handler, f func(context.Context, *http.Client, string, func(chan string) string) (string, error)) (got string) {
	t.Helper()
	ask := func(ctx context.Context, url string) (err error) {
		if client == "asynchttp" {
			tr := &asynchttp.Transport{Protocols: plainOnly}
			defer tr.Close()
			got, err = f(ctx, &http.Client{Transport: tr}, url, func(c chan string) string {
				s, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return <-c, nil })
				if err != nil {
					t.Error(err)
				}
				return s
			})
			return err
		}
		got, err = asyncio.ToThread(ctx, func(context.Context) (string, error) {
			plain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			tr := &http.Transport{Protocols: plainOnly}
			defer tr.CloseIdleConnections()
			return f(plain, &http.Client{Transport: tr}, url, func(c chan string) string { return <-c })
		})
		return err
	}
	run(t, func(ctx context.Context) error {
		if server == "asynchttp" {
			srv := &asynchttp.Server{Handler: h}
			addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			return errors.Join(ask(ctx, "http://"+addr.String()), srv.Shutdown(ctx))
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: h, Protocols: plainOnly}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = srv.Serve(l)
		}()
		err = ask(ctx, "http://"+l.Addr().String())
		_ = srv.Close()
		_, terr := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { <-served; return struct{}{}, nil })
		return errors.Join(err, terr)
	})
	return got
}
