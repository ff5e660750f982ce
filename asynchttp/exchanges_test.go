package asynchttp_test

import (
	"bytes"
	"compress/gzip"
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

// What a server answers, byte by byte, and what its client makes of it.
func TestAResponseIsWhatTheServerSays(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	early := strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "unzipped")
	z.Close()
	for name, x := range map[string]struct {
		method, answer, want string
		kept                 bool // the connection is
	}{
		"a length":               {"GET", ok + "Content-Length: 5\r\n\r\nhello", `200 5 map[Content-Length:[5]] map[] "hello" <nil>`, true},
		"nothing":                {"GET", ok + "Content-Length: 0\r\n\r\n", `200 0 map[Content-Length:[0]] map[] "" <nil>`, true},
		"until the end":          {"GET", ok + "\r\nhello", `200 -1 map[] map[] "hello" <nil>`, false},
		"chunks":                 {"GET", chunked + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", `200 -1 map[] map[] "hello" <nil>`, true},
		"trailers":               {"GET", ok + "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: end\r\n\r\n", `200 -1 map[] map[X-T:[end]] "x" <nil>`, true},
		"HEAD":                   {"HEAD", ok + "Content-Length: 5\r\n\r\n", `200 5 map[Content-Length:[5]] map[] "" <nil>`, true},
		"204":                    {"GET", "HTTP/1.1 204 No Content\r\n\r\n", `204 0 map[] map[] "" <nil>`, true},
		"304":                    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", `304 0 map[Content-Length:[9]] map[] "" <nil>`, true},
		"HTTP/1.0":               {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", `200 5 map[Content-Length:[5]] map[] "hello" <nil>`, false},
		"HTTP/1.0 that is kept":  {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", `200 1 map[Connection:[keep-alive] Content-Length:[1]] map[] "x" <nil>`, true},
		"a close":                {"GET", ok + "Connection: close\r\nContent-Length: 1\r\n\r\nx", `200 1 map[Content-Length:[1]] map[] "x" <nil>`, false},
		"ten of 1xx":             {"GET", early + ok + "Content-Length: 1\r\n\r\nx", `200 1 map[Content-Length:[1]] map[] "x" <nil>`, true},
		"gzip":                   {"GET", ok + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), `200 -1 map[] map[] "unzipped" <nil>`, true},
		"GZIP":                   {"GET", ok + fmt.Sprintf("Content-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), `200 -1 map[] map[] "unzipped" <nil>`, true},
		"something like gzip":    {"GET", ok + "Content-Encoding: gzap\r\nContent-Length: 1\r\n\r\nx", `200 1 map[Content-Encoding:[gzap] Content-Length:[1]] map[] "x" <nil>`, true},
		"gzip of nothing":        {"GET", ok + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", `200 0 map[Content-Encoding:[gzip] Content-Length:[0]] map[] "" <nil>`, true},
		"more than is announced": {"GET", ok + "Content-Length: 1\r\n\r\nxyz", `200 1 map[Content-Length:[1]] map[] "x" <nil>`, false},
	} {
		for _, copied := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", copied), func(t *testing.T) {
				ends := make(chan struct{}, 2)
				url := rawServer(t, func(c net.Conn) {
					if skipHead(c) != nil {
						return
					}
					io.WriteString(c, x.answer)
					if strings.Contains(x.want, "-1 map[] map[] \"hello\"") && !strings.Contains(x.answer, "chunked") {
						return // its end is the body's
					}
					c.Read(make([]byte, 1))
					ends <- struct{}{}
				})
				tr := &asynchttp.Transport{}
				withClient(t, tr, func(ctx context.Context, c *http.Client) error {
					req, err := http.NewRequestWithContext(ctx, x.method, url, nil)
					if err != nil {
						return err
					}
					resp, err := c.Do(req)
					if err != nil {
						return err
					}
					var out bytes.Buffer
					if copied {
						_, err = io.Copy(&out, resp.Body)
					} else {
						_, err = out.ReadFrom(resp.Body)
					}
					if got := fmt.Sprintf("%d %d %v %v %q %v", resp.StatusCode, resp.ContentLength, resp.Header, resp.Trailer, out.String(), err); got != x.want {
						t.Errorf("got  %s\nwant %s", got, x.want)
					}
					if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("after the end: %d, %v", n, err)
					}
					if all, idle, _ := tr.Counts(); (idle == 1) != x.kept || (all == 1) != x.kept {
						t.Errorf("%d connections, %d idle", all, idle)
					}
					return resp.Body.Close()
				})
			})
		}
	}
}

// A body that is closed before its end costs the connection at once, but for a
// rest that has come already.
func TestABodyThatIsClosedEarlyCostsTheConnectionUnlessItHasComeWhole(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		const ok = "HTTP/1.1 200 OK\r\n"
		for name, x := range map[string]struct {
			answer string
			read   int
			kept   bool
		}{
			"whole":                  {ok + "Content-Length: 5\r\n\r\nhello", 0, true},
			"whole, and begun":       {ok + "Content-Length: 5\r\n\r\nhello", 2, true},
			"a part":                 {ok + "Content-Length: 6\r\n\r\nhello", 0, false},
			"a part, and begun":      {ok + "Content-Length: 6\r\n\r\nhello", 5, false},
			"chunks without the end": {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, false},
			"no length":              {ok + "\r\nhello", 5, false},
		} {
			end := make(chan struct{})
			url := rawServer(t, func(c net.Conn) {
				if skipHead(c) != nil {
					return
				}
				io.WriteString(c, x.answer)
				c.Read(make([]byte, 1))
				close(end)
			})
			tr := &asynchttp.Transport{}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
				if err != nil {
					return err
				}
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				if _, err := io.ReadFull(resp.Body, make([]byte, x.read)); err != nil {
					return err
				}
				for range 2 {
					if err := resp.Body.Close(); err != nil {
						t.Error(err)
					}
				}
				if _, err := resp.Body.Read(make([]byte, 1)); err != asynchttp.ErrBodyClosed {
					t.Errorf("%s: read after close: %v", name, err)
				}
				if all, idle, _ := tr.Counts(); (idle == 1) != x.kept || (all == 1) != x.kept {
					t.Errorf("%s: %d connections, %d idle", name, all, idle)
				}
				if !x.kept { // and the server learns of it
					_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { <-end; return 0, nil })
				}
				return err
			})
		}
	})
}

// Writers that fail, or take less than they say, end the copy; the body may be read
// on.
func TestACopyOfABodyEndsWithItsWriter(t *testing.T) {
	for name, w := range map[string]io.Writer{"short": shortWriter{}, "failing": failingWriter{}} {
		for _, answer := range []string{"Content-Length: 6\r\n\r\nabcdef", "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"} {
			url := answers(t, "HTTP/1.1 200 OK\r\n"+answer)
			withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
				req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				n, err := resp.Body.(io.WriterTo).WriteTo(w)
				if want := map[string]error{"short": io.ErrShortWrite, "failing": io.ErrClosedPipe}[name]; n != 2 || err != want {
					t.Errorf("%s: %d, %v", name, n, err)
				}
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Errorf("%s: the rest: %v", name, err)
				}
				return nil
			})
		}
	}
}

type shortWriter struct{}

func (shortWriter) Write([]byte) (int, error) { return 2, nil }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 2, io.ErrClosedPipe }

func TestABodyIsForTheLoopsGoroutine(t *testing.T) {
	for _, header := range []string{"", "Content-Encoding: gzip\r\n"} {
		url := answers(t, "HTTP/1.1 200 OK\r\n"+header+"Content-Length: 5\r\n\r\nhello")
		tr := &asynchttp.Transport{}
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			n, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return resp.Body.Read(make([]byte, 5)) })
			if n != 0 || !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("Read: %d, %v", n, err)
			}
			if w, ok := resp.Body.(io.WriterTo); ok {
				n, err := asyncio.ToThread(ctx, func(context.Context) (int64, error) { return w.WriteTo(io.Discard) })
				if n != 0 || !errors.Is(err, asyncio.ErrWrongGoroutine) {
					t.Errorf("WriteTo: %d, %v", n, err)
				}
			}
			_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, resp.Body.Close() })
			if err != nil {
				t.Errorf("Close: %v", err)
			}
			for range 3 { // it asks the loop
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			if n, err := resp.Body.Read(make([]byte, 5)); n != 0 || err != asynchttp.ErrBodyClosed {
				t.Errorf("after Close: %d, %v", n, err)
			}
			return nil
		})
	}
}

func TestErrorsHaveTheirCauses(t *testing.T) {
	cause := errors.New("it is full")
	for _, err := range []error{
		&asynchttp.ProxyError{Err: cause}, &asynchttp.MalformedResponseError{Err: cause},
		&asynchttp.RequestBodyError{Err: cause}, &asynchttp.TLSError{Host: "h", Err: cause},
	} {
		if !errors.Is(err, cause) || !strings.HasSuffix(err.Error(), cause.Error()) || !strings.HasPrefix(err.Error(), "asynchttp: ") {
			t.Errorf("%T: %v", err, err)
		}
	}
	if s := (&asynchttp.UnsupportedSchemeError{Scheme: "ftp"}).Error(); s != `asynchttp: unsupported protocol scheme "ftp"` {
		t.Error(s)
	}
	if s := (&asynchttp.TLSError{Host: "h:1", Err: cause}).Error(); s != "asynchttp: TLS handshake with h:1: it is full" {
		t.Error(s)
	}
}

// A context of no loop will do only where a transport has its loop already.
func TestAFreshTransportNeedsAContextOfItsLoop(t *testing.T) {
	srv := countedServer(t, echo)
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		if _, err := get(context.Background(), c, srv.URL); err == nil {
			t.Error("it has found a loop")
		}
		if _, err := get(ctx, c, srv.URL); err != nil {
			return err
		}
		if _, err := get(context.Background(), c, srv.URL); err != nil {
			t.Error(err)
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return get(context.Background(), c, srv.URL) })
		if err == nil {
			t.Error("it waits on another goroutine")
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := get(ended, c, srv.URL); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		tr.Close()
		if _, err := get(ctx, c, srv.URL); !errors.Is(err, asynchttp.ErrTransportClosed) {
			t.Error(err)
		}
		return nil
	})
}

func TestTheTraceIsToldHowLongAConnectionLayIdle(t *testing.T) {
	srv := countedServer(t, echo)
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil { // the loop is older than the connection
			return err
		}
		began := time.Now()
		var infos []httptrace.GotConnInfo
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if i.IdleTime < 0 || i.IdleTime > time.Since(began) {
				t.Errorf("idle for %v, within %v", i.IdleTime, time.Since(began))
			}
			infos = append(infos, i)
		}})
		for range 2 {
			if _, err := get(traced, c, srv.URL); err != nil {
				return err
			}
		}
		if len(infos) != 2 || infos[0].Reused || infos[0].WasIdle || infos[0].IdleTime != 0 || !infos[1].Reused || !infos[1].WasIdle || infos[1].IdleTime == 0 {
			t.Errorf("got %+v", infos)
		}
		return nil
	})
}

// The end of a request that waits for its proxy is the request's, not the proxy's.
func TestARequestThatIsCancelledAtItsProxyIsCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	proxy := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			asked <- struct{}{}
			c.Read(make([]byte, 1))
		}
	})
	for name, end := range map[string]func(task *asyncio.Task[string], cancel func()){
		"cancelled": func(task *asyncio.Task[string], _ func()) { task.Cancel() },
		"ended":     func(_ *asyncio.Task[string], cancel func()) { cancel() },
	} {
		withClient(t, through(proxy, ""), func(ctx context.Context, c *http.Client) error {
			limited, cancel := context.WithCancel(ctx)
			defer cancel()
			task := asyncio.CreateTask(ctx, func(context.Context) (string, error) { return get(limited, c, "https://example.test") })
			if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-asked; return 0, nil }); err != nil {
				return err
			}
			end(task, cancel)
			_, err := task.Await(ctx)
			var proxyError *asynchttp.ProxyError
			if errors.As(err, &proxyError) || !asyncio.IsCancelled(err) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			return nil
		})
	}
}

func TestABodyThatEndsEarlySaysHowMuchHasCome(t *testing.T) {
	for answer, want := range map[string]string{
		"Content-Length: 10\r\n\r\nhello":                      "ended after 5 of 10 bytes",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\nd": "ended early, after 4 bytes",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n":  "malformed response",
	} {
		url := answers(t, "HTTP/1.1 200 OK\r\n"+answer)
		withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
			if _, err := get(ctx, c, url); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			return nil
		})
	}
}

// While a body is copied nobody else reads it; the writer may close it.
func TestABodyIsReadByOneAtATimeAlsoWhileItIsCopied(t *testing.T) {
	for _, closes := range []bool{false, true} {
		for _, answer := range []string{"Content-Length: 6\r\n\r\nabcdef", "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"} {
			url := answers(t, "HTTP/1.1 200 OK\r\n"+answer)
			tr := &asynchttp.Transport{}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				total, err := resp.Body.(io.WriterTo).WriteTo(writerFunc(func(p []byte) (int, error) {
					if closes {
						return len(p), resp.Body.Close()
					}
					if strings.HasPrefix(answer, "Content-Length") { // it lies where it has come
						if _, err := resp.Body.Read(make([]byte, 1)); err != asynchttp.ErrConcurrentRead {
							t.Errorf("a second reader: %v", err)
						}
					}
					return len(p), nil
				}))
				early := closes && strings.HasPrefix(answer, "Content-Length") // else its end has come before
				if early != (err == asynchttp.ErrBodyClosed) || total != 6 {
					t.Errorf("closed: %v: %d, %v", closes, total, err)
				}
				return nil
			})
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
