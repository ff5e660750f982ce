package asynchttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// observing runs ask with a server whose requests are given to note. One for /gone sets begun.
func observing(t *testing.T, p *http.Protocols, wrap func(http.Handler) http.Handler, ask func(ctx context.Context, c *http.Client, url string, begun *asyncio.Event) error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 70_000), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id")) })
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("GET /flush", func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() })
	mux.HandleFunc("GET /nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /early", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("GET /twice", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusTeapot) // comes too late
	})
	mux.HandleFunc("GET /written", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a")
		w.WriteHeader(http.StatusTeapot)
		if n, err := w.(io.StringWriter).WriteString("bc"); n != 2 || err != nil {
			w.Write([]byte("no"))
		}
	})
	mux.HandleFunc("GET /copied", func(w http.ResponseWriter, _ *http.Request) {
		if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("abc")); n != 3 || err != nil {
			w.Write([]byte("no"))
		}
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("GET /half", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a")
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
	})
	var begun asyncio.Event
	mux.HandleFunc("GET /gone", func(w http.ResponseWriter, r *http.Request) {
		begun.Set()
		_ = asyncio.Sleep(r.Context(), time.Minute)
	})
	run(t, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: wrap(mux)}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{Protocols: p}
		err = ask(ctx, &http.Client{Transport: tr}, "http://"+addr.String(), &begun)
		return errors.Join(err, tr.Close(), srv.Shutdown(ctx))
	})
}

func TestObserveSeesEveryEndOfARequest(t *testing.T) {
	for name, p := range map[string]*http.Protocols{"HTTP/1": http1Only, "HTTP/2": plainOnly} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			note := func(o *asynchttp.Observation) {
				if o.Began.IsZero() || o.Duration <= 0 {
					t.Errorf("%s took %v from %v on", o.Route, o.Duration, o.Began)
				}
				seen = append(seen, fmt.Sprintf("%s %d %d", o.Route, o.Status, o.Bytes))
			}
			hijacked := "GET /hijack 101 0"
			if name == "HTTP/2" {
				hijacked = "GET /hijack 501 0"
			}
			observing(t, p, func(h http.Handler) http.Handler { return asynchttp.Observe(h, note) }, func(ctx context.Context, c *http.Client, url string, begun *asyncio.Event) error {
				for path, want := range map[string]string{
					"/notes/12": "GET /notes/{id} 200 2",
					"/file":     "GET /file 200 70000",
					"/flush":    "GET /flush 200 0",
					"/nothing":  "GET /nothing 200 0",
					"/abort":    "GET /abort 499 0",
					"/early":    "GET /early 418 0",
					"/twice":    "GET /twice 200 0",
					"/written":  "GET /written 200 3",
					"/copied":   "GET /copied 200 3",
					"/half":     "GET /half 200 1",
					"/hijack":   hijacked,
					"/missing":  " 404 19",
				} {
					seen = nil
					resp, _, err := fetch(ctx, c, "GET", url+path, nil)
					if err == nil && path != "/hijack" && !strings.Contains(want, fmt.Sprintf(" %d ", resp.StatusCode)) {
						t.Errorf("%s was answered %d, and noted as %s", path, resp.StatusCode, want)
					}
					failed := path == "/abort" || path == "/half"
					if (err != nil) != failed {
						t.Error(path, err)
					}
					if failed && len(seen) == 2 { // a connection that was used before may have been stale: the client tries again
						seen = seen[1:]
					}
					if fmt.Sprint(seen) != "["+want+"]" {
						t.Errorf("%s was seen as %q, want %q", path, seen, want)
					}
				}
				seen = nil
				leaves := asyncio.Go(ctx, func(ctx context.Context) error {
					_, err := get(ctx, c, url+"/gone")
					return err
				})
				if err := begun.Wait(ctx); err != nil {
					return err
				}
				leaves.Cancel()
				for i := 0; i < 1000 && len(seen) == 0; i++ {
					if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
				}
				if fmt.Sprint(seen) != "[GET /gone 499 0]" {
					t.Errorf("a client that has gone was seen as %q", seen)
				}
				if _, err := leaves.Await(ctx); !asyncio.IsCancelled(err) {
					t.Errorf("it ended with %v", err)
				}
				return nil
			})
		})
	}
}

func TestAccessLogFormats(t *testing.T) {
	for format, want := range map[asynchttp.LogFormat]string{
		asynchttp.LogCommon:   `^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /notes/7 HTTP/2\.0" 200 1\n$`,
		asynchttp.LogCombined: `^127\.0\.0\.1 - - \[[^]]+\] "GET /notes/7 HTTP/2\.0" 200 1 "-" "say \\"hi\\""\n$`,
		asynchttp.LogJSON:     `^\{"time":"[^"]+","remote":"127\.0\.0\.1","method":"GET","uri":"/notes/7","proto":"HTTP/2\.0","host":"127\.0\.0\.1:\d+","route":"GET /notes/\{id\}","status":200,"bytes":1,"duration":[0-9.e-]+,"user_agent":"say \\"hi\\""\}\n$`,
	} {
		var out bytes.Buffer
		log := &asynchttp.AccessLog{Out: &out, Format: format}
		observing(t, plainOnly, log.Handler, func(ctx context.Context, c *http.Client, url string, _ *asyncio.Event) error {
			req, err := http.NewRequestWithContext(ctx, "GET", url+"/notes/7", nil)
			if err != nil {
				return err
			}
			req.Header.Set("User-Agent", `say "hi"`)
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
		log.Close()
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%q does not match %s", out.String(), want)
		}
		if format == asynchttp.LogJSON && !json.Valid(out.Bytes()) {
			t.Error("it is no JSON")
		}
	}
}

func TestMetricsCountByRoute(t *testing.T) {
	m := new(asynchttp.Metrics)
	counted := func(h http.Handler) http.Handler {
		return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := m.InFlight(); n != 1 {
				t.Errorf("%d in flight, and this is one", n)
			}
			h.ServeHTTP(w, r)
		}))
	}
	observing(t, http1Only, counted, func(ctx context.Context, c *http.Client, url string, _ *asyncio.Event) error {
		for i := range 3 {
			if _, err := get(ctx, c, fmt.Sprint(url, "/notes/", i)); err != nil {
				return err
			}
		}
		if _, err := get(ctx, c, url+"/missing"); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, "BREW", url+"/notes/1", nil)
		if err != nil {
			return err
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	var got []string
	for _, r := range m.Routes() {
		slow := uint64(0)
		for _, n := range r.Latency {
			slow += n
		}
		got = append(got, fmt.Sprintf("%q %s %d: %d %d %d", r.Route, r.Method, r.Status, r.Count, r.Bytes, slow))
		if r.Duration <= 0 {
			t.Error(r.Route, "took no time")
		}
	}
	want := []string{`"" GET 404: 1 19 1`, `"" other 405: 1 19 1`, `"GET /notes/{id}" GET 200: 3 3 3`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || m.InFlight() != 0 {
		t.Errorf("%q, want %q; %d in flight", got, want, m.InFlight())
	}
}

// Buckets hold what is no slower than their bound, and several goroutines may count.
func TestMetricsHaveAHistogram(t *testing.T) {
	m := new(asynchttp.Metrics)
	r, _ := http.NewRequest("GET", "/", nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, d := range []time.Duration{0, 5 * time.Millisecond, 5*time.Millisecond + 1, time.Second, time.Hour} {
				m.Note(&asynchttp.Observation{Request: r, Status: 200, Duration: d})
			}
		})
	}
	wg.Wait()
	got := m.Routes()[0]
	if want := "[8 4 0 0 0 0 0 4 0 0 0]"; fmt.Sprint(got.Latency) != want || got.Count != 20 {
		t.Errorf("%v of %d, want %s", got.Latency, got.Count, want)
	}
}
