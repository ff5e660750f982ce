package h2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

// exchange does a request with net/http's client.
func exchange(c *http.Client, req *http.Request) (*http.Response, string, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// asked runs use, in a thread, with net/http's client.
func asked(t *testing.T, h http.HandlerFunc, use func(ctx context.Context, c *http.Client, url string) error) {
	t.Helper()
	onEveryDriver(t, func(t *testing.T) {
		serving(t, h, func(ctx context.Context, addr string) error {
			return inThread(ctx, func(ctx context.Context) error {
				tr := plainH2()
				defer tr.CloseIdleConnections()
				return use(ctx, &http.Client{Transport: tr}, "http://"+addr)
			})
		})
	})
}

func TestARequestAndItsResponse(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.URL, " ", r.Host == "", " ", r.Proto, " ", r.ContentLength, " ", len(b), " ", err))
		fmt.Fprint(w, "hello")
	}, func(ctx context.Context, c *http.Client, url string) error {
		req, _ := http.NewRequestWithContext(ctx, "POST", url+"/a?b=c", strings.NewReader("some body"))
		resp, body, err := exchange(c, req)
		if err != nil {
			return err
		}
		if got, want := resp.Header.Get("X-Seen"), "POST /a?b=c false HTTP/2.0 9 9 <nil>"; got != want {
			t.Errorf("the handler saw %q, want %q", got, want)
		}
		if body != "hello" || resp.ContentLength != 5 || resp.Header.Get("Date") == "" || resp.Header.Get("Content-Type") == "" {
			t.Errorf("got %q with %v", body, resp.Header)
		}
		return nil
	})
}

func TestLargeBodiesGoBothWaysAtOnce(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error("copy:", err)
		}
	}, func(ctx context.Context, c *http.Client, url string) error {
		req, _ := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(payload))
		_, body, err := exchange(c, req)
		if err != nil {
			return err
		}
		if body != string(payload) {
			t.Errorf("%d bytes came back, not the %d that were sent", len(body), len(payload))
		}
		return nil
	})
}

func TestTrailersGoBothWays(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "body")
		w.Header().Set("X-Declared", "one "+r.Trailer.Get("X-Up"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "two")
	}, func(ctx context.Context, c *http.Client, url string) error {
		req, _ := http.NewRequestWithContext(ctx, "POST", url, io.MultiReader(strings.NewReader("x")))
		req.Trailer = http.Header{"X-Up": {"sent"}}
		resp, _, err := exchange(c, req)
		if err != nil {
			return err
		}
		if got := fmt.Sprint(resp.Trailer); got != "map[X-Declared:[one sent] X-Late:[two]]" {
			t.Error("trailers:", got)
		}
		return nil
	})
}

func TestInformationalResponsesComeBeforeTheResponse(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		b, _ := io.ReadAll(r.Body) // sends 100
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(b)
	}, func(ctx context.Context, c *http.Client, url string) error {
		var seen []string
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				seen = append(seen, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		})
		req, _ := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader("expected"))
		req.Header.Set("Expect", "100-continue")
		c.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		resp, body, err := exchange(c, req)
		if err != nil {
			return err
		}
		if got := strings.Join(seen, "|"); got != "103 </a.css>; rel=preload|102 </a.css>; rel=preload|100 " || resp.StatusCode != 201 || body != "expected" {
			t.Errorf("1xx: %q, then %d %q", got, resp.StatusCode, body)
		}
		return nil
	})
}

func TestFlushSendsWhatThereIs(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "first")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		_, _ = io.ReadAll(r.Body) // ends when the client has seen the first part
		fmt.Fprint(w, "second")
	}, func(ctx context.Context, c *http.Client, url string) error {
		pr, pw := io.Pipe()
		req, _ := http.NewRequestWithContext(ctx, "POST", url, pr)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		p := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, p); err != nil || string(p) != "first" {
			t.Errorf("%q %v", p, err)
		}
		pw.Close()
		rest, err := io.ReadAll(resp.Body)
		if string(rest) != "second" {
			t.Errorf("%q", rest)
		}
		return err
	})
}

func TestConnectIsATunnel(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "CONNECT" || r.Host != "example.com:443" {
			t.Error("request:", r.Method, r.Host)
		}
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		var line [6]byte
		_, _ = io.ReadFull(r.Body, line[:])
		_, _ = fmt.Fprintf(w, "echo %s", line[:])
	}, func(ctx context.Context, c *http.Client, url string) error {
		pr, pw := io.Pipe()
		req, _ := http.NewRequestWithContext(ctx, "CONNECT", url, pr)
		req.Host = "example.com:443"
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.WriteString(pw, "hello\n"); err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		if string(b) != "echo hello\n" || resp.ContentLength != -1 {
			t.Errorf("%q, length %d", b, resp.ContentLength)
		}
		return err
	})
}

func TestAHandlersResponseIsWhatNetHTTPMakesOfIt(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"nothing":    func(w http.ResponseWriter, r *http.Request) {},
		"no content": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"not modified": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "12")
			w.WriteHeader(304)
		},
		"length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			fmt.Fprint(w, "abc")
		},
		"connection headers": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			fmt.Fprint(w, "x")
		},
		"typed": func(w http.ResponseWriter, r *http.Request) { w.Header()["Content-Type"] = nil; fmt.Fprint(w, "x") },
		"encoded": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			fmt.Fprint(w, "x")
		},
		"many": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-A"] = []string{"1", "2"}
			w.WriteHeader(404)
		},
		"not found": http.NotFound,
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusSeeOther) },
		"late header": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.Header().Set("X-Late", "1")
			fmt.Fprint(w, "x")
		},
	}
	for name, h := range cases {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				want := describe(t, method, "http://"+netServer(t, h))
				var got string
				serving(t, h, func(ctx context.Context, addr string) error {
					return inThread(ctx, func(context.Context) error { got = describe(t, method, "http://"+addr); return nil })
				})
				if got != want {
					t.Errorf("got\n%s\nnet/http has\n%s", got, want)
				}
			})
		}
	}
}

func TestAHandlerThatWritesAnotherLengthThanItAnnouncedIsNotTakenForWhole(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		if r.URL.Path == "/more" {
			_, err := io.WriteString(w, "abcd")
			if !errors.Is(err, http.ErrContentLength) {
				t.Error(err)
			}
		}
		fmt.Fprint(w, "ab")
	}, func(ctx context.Context, c *http.Client, url string) error {
		for _, path := range []string{"/more", "/less"} {
			req, _ := http.NewRequestWithContext(ctx, "GET", url+path, nil)
			if _, body, err := exchange(c, req); err == nil || body != "ab" {
				t.Errorf("%s: %q %v", path, body, err)
			}
		}
		return nil
	})
}

// describe says what net/http's client gets.
func describe(t *testing.T, method, url string) string {
	tr := plainH2()
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, _ := http.NewRequest(method, url, nil)
	resp, body, err := exchange(c, req)
	if resp == nil {
		return fmt.Sprint("error ", err)
	}
	if resp.Header.Get("Date") != "" {
		resp.Header.Set("Date", "now")
	}
	return fmt.Sprintf("%d %d %v %v %q %v", resp.StatusCode, resp.ContentLength, resp.Header, resp.Trailer, body, err)
}

func TestAResetCancelsTheHandler(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		err := asyncio.Sleep(r.Context(), time.Minute)
		if r.Context().Err() == nil {
			err = errors.New("the context has no end")
		}
		ended <- err
	}, func(ctx context.Context, c *http.Client, url string) error {
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			<-started
			cancel()
		}()
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-ended; !asyncio.IsCancelled(err) {
			t.Error("the handler ended with", err)
		}
		return nil
	})
}

func TestAPanicResetsTheStreamAndIsReported(t *testing.T) {
	var reported []string
	run(t, func(ctx context.Context) error {
		l, _ := asyncio.RunningLoop(ctx)
		l.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			reported = append(reported, fmt.Sprint(c.Message, ": ", c.Err))
		})
		s, err := listen(ctx, &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/panic":
				panic("boom")
			case "/abort":
				panic(http.ErrAbortHandler)
			}
			fmt.Fprint(w, "fine")
		})})
		if err != nil {
			return err
		}
		err = inThread(ctx, func(ctx context.Context) error {
			tr := plainH2()
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			for _, path := range []string{"/panic", "/abort"} {
				if _, err := c.Get("http://" + s.addr + path); err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
					t.Error(path, err)
				}
			}
			resp, err := c.Get("http://" + s.addr)
			if err == nil {
				resp.Body.Close()
			}
			return err
		})
		if err != nil {
			return err
		}
		return s.close(ctx)
	})
	if len(reported) != 1 || !strings.Contains(reported[0], "boom") || !strings.Contains(reported[0], "GET /panic") {
		t.Errorf("reported: %q", reported)
	}
}

func TestADeadlineEndsTheStreamAndNotTheConnection(t *testing.T) {
	asked(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		switch r.URL.Path {
		case "/read":
			if err := rc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Error(err)
			}
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err)
		case "/write":
			if err := rc.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Error(err)
			}
			if err := asyncio.Sleep(r.Context(), time.Minute); !asyncio.IsCancelled(err) {
				t.Error(err)
			}
		}
	}, func(ctx context.Context, c *http.Client, url string) error {
		pr, pw := io.Pipe()
		defer pw.Close()
		var conns int
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectStart: func(string, string) { conns++ }})
		req, _ := http.NewRequestWithContext(ctx, "POST", url+"/read", pr)
		if _, body, err := exchange(c, req); err != nil || !strings.Contains(body, "timeout") {
			t.Errorf("%q %v", body, err)
		}
		req, _ = http.NewRequestWithContext(ctx, "GET", url+"/write", nil)
		if _, _, err := exchange(c, req); err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
			t.Error(err)
		}
		req, _ = http.NewRequestWithContext(ctx, "GET", url+"/", nil)
		if _, _, err := exchange(c, req); err != nil {
			t.Error(err)
		}
		if conns != 1 {
			t.Error("connections:", conns)
		}
		return nil
	})
}

func TestShutdownAnswersWhatHasComeAndRefusesTheRest(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			begun, goOn := asyncio.NewEvent(), asyncio.NewEvent()
			s, err := listen(ctx, &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun.Set()
				_ = goOn.Wait(r.Context())
				fmt.Fprint(w, "answered")
			})})
			if err != nil {
				return err
			}
			var cl h2.Client
			c, err := dial(ctx, &cl, s.addr)
			if err != nil {
				return err
			}
			first := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, "http://"+s.addr) })
			if err := begun.Wait(ctx); err != nil {
				return err
			}
			s.conns[0].Shutdown()
			for c.Usable() {
				if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			if _, err := get(ctx, c, "http://"+s.addr); !errors.Is(err, h2.ErrUnprocessed) {
				t.Error("a request after GOAWAY:", err)
			}
			goOn.Set()
			if body, err := first.Await(ctx); body != "answered" || err != nil {
				t.Errorf("the request that had come: %q, %v", body, err)
			}
			if err := c.WaitClosed(ctx); err != nil {
				return err
			}
			return s.close(ctx)
		})
	})
}

// get fetches a URL over a connection.
func get(ctx context.Context, c *h2.ClientConn, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
