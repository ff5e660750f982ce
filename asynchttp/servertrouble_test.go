package asynchttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestATruncatedResponseThroughAProxyIsSeenAsSuch(t *testing.T) {
	back := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}
	})
	target, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	tr := &asynchttp.Transport{}
	srv := &asynchttp.Server{Handler: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: tr,
	}}
	withServer(t, srv, func(addr string) error {
		c := goClient(t)
		req, err := http.NewRequest("GET", "http://"+addr, nil)
		if err != nil {
			return err
		}
		if _, got, err := do(c, req); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("net/http's client got %q, %v", got, err)
		}
		if _, err := exec.LookPath("curl"); err != nil {
			t.Log("there is no curl here")
			return nil
		}
		err = exec.Command("curl", "-s", "http://"+addr).Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 18 {
			t.Errorf("curl: %v", err)
		}
		return nil
	})
}

func TestHandlersFindTheServerInTheContext(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		s, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
		if s == nil || s.ReadTimeout != time.Minute || s.Addr == "" || s.Handler == nil {
			t.Errorf("the server is %v", s)
		}
		if a, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); a == nil || a.String() != s.Addr {
			t.Errorf("the address is %v", a)
		}
	})
	srv.ReadTimeout = time.Minute
	withServer(t, srv, func(addr string) error {
		_, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return err
	})
}

// 100 Continue inside a response would be a part of its body.
func TestContinueIsNeverSentAfterTheHeader(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(200) },
		"flush":       func(w http.ResponseWriter) { io.WriteString(w, "early"); w.(http.Flusher).Flush() },
		"write":       func(w http.ResponseWriter) { io.WriteString(w, "early") },
	} {
		t.Run(name, func(t *testing.T) {
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				begin(w)
				b, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s, %v", b, err)
			})
			withServer(t, srv, func(addr string) error {
				got, err := talk(addr, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
				if strings.Contains(got, "100 Continue") || !strings.Contains(got, "body, <nil>") {
					t.Errorf("got %q", got)
				}
				return err
			})
		})
	}
}

func TestContinueComesOnceBeforeTheHeader(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/self" {
			w.WriteHeader(http.StatusContinue)
		}
		io.Copy(w, r.Body)
	})
	withServer(t, srv, func(addr string) error {
		for _, path := range []string{"/", "/self"} {
			got, err := talk(addr, "PUT "+path+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
			if err != nil || strings.Count(got, "100 Continue") != 1 || !strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") {
				t.Errorf("%s: got %q, %v", path, got, err)
			}
		}
		return nil
	})
}

func TestTooManyFieldsAreRefusedAsSuch(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { t.Error("a handler was called") })
	withServer(t, srv, func(addr string) error {
		for _, line := range []string{"A: b\r\n", "A: bb\r\n", "A: bcd\r\n", "AB: cdef\r\n", "A: b\n", "X-Long-Name: " + strings.Repeat("v", 100) + "\r\n"} {
			got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(line, 5500)+"\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 431 ") {
				t.Errorf("%q: got %q, %v", line, got, err)
			}
		}
		return nil
	})
}

func TestNoValueOfAHeaderBreaksOut(t *testing.T) {
	const evil = "foo\r\nX-Evil: 1\n2\x003 "
	for _, name := range []string{"Connection", "X", "Content-Type", "Date", "Trailer", "Upgrade", "Link", "Content-Length", "Transfer-Encoding", "Set-Cookie"} {
		for _, status := range []int{100, 101, 103, 200, 204, 304, 404} {
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(name, evil)
				w.Header()["Bad\r\nX-Evil: name"] = []string{"x"}
				w.Header().Set(http.TrailerPrefix+"T", evil)
				w.WriteHeader(status)
				if status == 200 {
					w.(http.Flusher).Flush()
				}
			})
			withServer(t, srv, func(addr string) error {
				got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if err != nil || !strings.HasPrefix(got, "HTTP/1.1 ") {
					t.Errorf("%s, %d: %q, %v", name, status, got, err)
				}
				for line := range strings.Lines(got) {
					if strings.HasPrefix(line, "X-Evil") || strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\x00") {
						t.Errorf("%s, %d: the line %q", name, status, line)
					}
				}
				return nil
			})
		}
	}
}

func TestNoValueOfARequestsTrailerBreaksOut(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Trailer)
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, "PUT", "http://"+addr.String(), nil)
		if err != nil {
			return err
		}
		req.Trailer = http.Header{"Late": nil}
		req.Body = io.NopCloser(readFunc(func([]byte) (int, error) {
			req.Trailer.Set("Late", "a\r\nX-Evil: 1\x00")
			return 0, io.EOF
		}))
		if _, got, err := do(c, req); got != "map[Late:[a  X-Evil: 1]]" {
			t.Errorf("the server got %q, %v", got, err)
		}
		return srv.Shutdown(ctx)
	})
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestTrailersThatTheHeaderHasNotNamedArrive(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		before := len(r.Trailer)
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d before, %v after", before, r.Trailer)
	})
	withServer(t, srv, func(addr string) error {
		for declared, want := range map[string]string{"": "0 before, map[A:[1] B:[2]] after", "Trailer: A\r\n": "1 before, map[A:[1] B:[2]] after"} {
			got, err := talk(addr, "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+declared+"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\n")
			if !strings.HasSuffix(got, want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		return nil
	})
}

func TestNobodyIsWaitedForOnAConnectionThatEnds(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	withServer(t, srv, func(addr string) error {
		for _, head := range []string{"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", "PUT / HTTP/1.0\r\n"} {
			began := time.Now()
			got, err := talk(addr, head+"Content-Length: 100\r\n\r\nonly this")
			if took := time.Since(began); took > 3*time.Second || !strings.Contains(got, " 200 OK") {
				t.Errorf("got %q, %v after %v", got, err, took)
			}
		}
		return nil
	})
}

func TestLittleIsReadOfWhatComesAfterTheEnd(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	withServer(t, srv, func(addr string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		// What a socket holds by itself must not be mistaken for what was read.
		if err := c.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
			return err
		}
		io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n")
		sent := int64(0)
		written := make(chan error, 1)
		go func() {
			var err error
			for p := make([]byte, 64<<10); err == nil; {
				var n int
				n, err = c.Write(p)
				sent += int64(n)
			}
			written <- err
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("got %v, %v", resp, err)
		}
		if _, err := expect(written, 1); err != nil {
			return err
		}
		if sent > 20<<20 {
			t.Errorf("%d bytes went in", sent)
		}
		return nil
	})
}

func TestARequestWithTwoEndsIsTheLastOfItsConnection(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	const next = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	withServer(t, srv, func(addr string) error {
		for _, head := range []string{
			"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"PUT / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		} {
			got, err := talk(addr, head+next)
			if err != nil || strings.Count(got, " 200 OK") != 1 || strings.Contains(got, "keep-alive") {
				t.Errorf("%q: got %q, %v", head, got, err)
			}
		}
		return nil
	})
}

func TestAMalformedBodyThatNobodyReadsClosesWithAWord(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	withServer(t, srv, func(addr string) error {
		for body, closes := range map[string]bool{
			"xyz\r\nhello\r\n0\r\n\r\n":                  true,
			"5\r\nhelloXX":                               true,
			"5\r\nhello\r\n0\r\n\r\n":                    false,
			"5\r\nhello\r\n0\r\n\r\nGET /x HTTP/1.1\r\n": false,
		} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.Close != closes {
				t.Errorf("%q: got %v, %v", body, resp, err)
			}
			c.Close()
		}
		return nil
	})
}

func TestWhatComesTooLateIsAnsweredWith408(t *testing.T) {
	onEveryDriver(t, testWhatComesTooLateIsAnsweredWith408)
}

func testWhatComesTooLateIsAnsweredWith408(t *testing.T) {
	patiently(t, 60*time.Millisecond, func(limit time.Duration) error { return whatComesTooLateIsAnsweredWith408(t, limit) })
}

func whatComesTooLateIsAnsweredWith408(t *testing.T, limit time.Duration) (failed error) {
	var bodyErr error
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		_, bodyErr = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/own" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	srv.ReadTimeout = limit
	withServer(t, srv, func(addr string) error {
		for text, want := range map[string]string{
			"":                 "",
			"GET / HTTP/1.1\r": "HTTP/1.1 408 ",
			"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe":    "HTTP/1.1 408 ",
			"PUT /own HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe": "HTTP/1.1 418 ",
		} {
			got, err := talkWithin(srv.ReadTimeout, addr, text)
			if err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
				failed = fmt.Errorf("%q: got %q, %v", text, got, err)
			} else if want != "" && !strings.Contains(got, "Connection: close") {
				failed = fmt.Errorf("%q: got %q", text, got)
			}
		}
		return nil
	})
	var late *asynchttp.TimeoutError
	if failed == nil && !errors.As(bodyErr, &late) {
		failed = fmt.Errorf("the body's error is %v", bodyErr)
	}
	return failed
}

func TestAnEmptyHostIsAllowedAndAMissingOneIsNot(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<%s>", r.Host) })
	withServer(t, srv, func(addr string) error {
		for head, want := range map[string]string{
			"GET http://a/ HTTP/1.1\r\n":                           "400",
			"GET / HTTP/1.1\r\n":                                   "400",
			"GET / HTTP/1.1\r\nHost:\r\n":                          "200",
			"GET http://a/ HTTP/1.1\r\nhOsT: b\r\n":                "200",
			"GET http://a/ HTTP/1.1\r\nHost: b b\r\n":              "400",
			"GET http://a/ HTTP/1.1\r\nHost: b\r\n b\r\n":          "400",
			"GET / HTTP/1.1\r\nX-Host: b\r\n":                      "400",
			"GET / HTTP/1.1\r\nHosu: b\r\n":                        "400",
			"CONNECT a:1 HTTP/1.1\r\n":                             "200",
			"GET / HTTP/1.0\r\n":                                   "200",
			"GET / HTTP/1.1\r\nX: y\r\n\tfolded: 1\r\nHost: b\r\n": "200",
		} {
			got, err := talk(addr, head+"Connection: close\r\n\r\n")
			if err != nil || len(got) < 12 || got[9:12] != want {
				t.Errorf("%q: got %q, %v", head, got, err)
			}
		}
		// The same where each line comes in pieces.
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, b := range []byte("GET http://a/ HTTP/1.1\r\nHost: good\r\nConnection: close\r\n\r\n") {
			if _, err := c.Write([]byte{b}); err != nil {
				return err
			}
		}
		got, err := io.ReadAll(c)
		if !strings.HasSuffix(string(got), "<a>") {
			t.Errorf("in pieces: got %q", got)
		}
		return err
	})
}

func TestHeadAndNotModifiedKeepTheHeader(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/304":
			w.Header().Set("Content-Length", "42")
			w.WriteHeader(http.StatusNotModified)
		case "/204":
			w.Header().Set("Content-Length", "42")
			w.WriteHeader(http.StatusNoContent)
		case "/long":
			io.WriteString(w, "<html>"+strings.Repeat("x", 10000))
		default:
			io.WriteString(w, "<html>")
		}
	})
	withServer(t, srv, func(addr string) error {
		for request, want := range map[string]string{
			"HEAD /":     "Content-Type: text/html",
			"HEAD /long": "Content-Type: text/html",
			"GET /304":   "Content-Length: 42",
			"HEAD /304":  "Content-Length: 42",
		} {
			got, err := talk(addr, request+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if err != nil || !strings.Contains(got, want) || !strings.HasSuffix(got, "\r\n\r\n") {
				t.Errorf("%s: got %q, %v", request, got, err)
			}
		}
		got, err := talk(addr, "GET /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if strings.Contains(got, "Content-Length") {
			t.Errorf("204: got %q", got)
		}
		return err
	})
}

func TestMethodsOfAResponseOnAnotherGoroutine(t *testing.T) {
	var reports []asyncio.ExceptionContext
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		loop, err := asyncio.RunningLoop(r.Context())
		if err != nil {
			t.Error(err)
		}
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reports = append(reports, c) })
		_, err = asyncio.ToThread(r.Context(), func(context.Context) (int, error) {
			if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("hijack: %v", err)
			}
			if _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("read from: %v", err)
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("flush: %v", err)
			}
			w.WriteHeader(http.StatusTeapot)
			return 0, r.Body.Close()
		})
		if err != nil {
			t.Error(err)
		}
	})
	withServer(t, srv, func(addr string) error {
		got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("got %q", got)
		}
		return err
	})
	if len(reports) != 1 || !errors.Is(reports[0].Err, asyncio.ErrWrongGoroutine) {
		t.Errorf("reported %v", reports)
	}
}
