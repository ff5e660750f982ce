package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestTheDefaultClientBelongsToTheLoop(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.Header.Get("Content-Type"), " ", string(body))
	}))
	defer s.Close()
	if _, err := asynchttp.Get(t.Context(), s.URL); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error("without a loop it returned", err)
	}
	var clients [2]*http.Client
	for i := range clients {
		run(t, func(ctx context.Context) error {
			c, err := asynchttp.DefaultClient(ctx)
			if err != nil {
				return err
			}
			if again, _ := asynchttp.DefaultClient(ctx); again != c {
				t.Error("it is another one the second time")
			}
			clients[i] = c
			for want, ask := range map[string]func() (*http.Response, error){
				"GET  ":          func() (*http.Response, error) { return asynchttp.Get(ctx, s.URL) },
				"":               func() (*http.Response, error) { return asynchttp.Head(ctx, s.URL) },
				"POST text/x hi": func() (*http.Response, error) { return asynchttp.Post(ctx, s.URL, "text/x", strings.NewReader("hi")) },
				"POST application/x-www-form-urlencoded a=b": func() (*http.Response, error) { return asynchttp.PostForm(ctx, s.URL, url.Values{"a": {"b"}}) },
			} {
				resp, err := ask()
				if err != nil {
					return err
				}
				p, err := io.ReadAll(resp.Body)
				if string(p) != want || err != nil {
					t.Errorf("%q, %v; want %q", p, err, want)
				}
				resp.Body.Close()
			}
			return nil
		})
	}
	if clients[0] == clients[1] {
		t.Error("two loops have the same client")
	}
	run(t, func(ctx context.Context) error {
		_, err := asyncio.ToThread(ctx, func(job context.Context) (*http.Client, error) { return asynchttp.DefaultClient(job) })
		if err == nil {
			t.Error("a thread was given the client of the loop")
		}
		return nil
	})
}

// A body that stands still ends; one that comes slowly does not.
func TestBodyTimeoutIsForEachWait(t *testing.T) {
	hold := make(chan struct{})
	var longest atomic.Int64 // pause of the server: a busy machine makes it longer
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		longest.Store(0)
		for range 6 {
			began := time.Now()
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
			select {
			case <-time.After(50 * time.Millisecond):
			case <-r.Context().Done():
			}
			longest.Store(max(longest.Load(), int64(time.Since(began))))
		}
		if r.URL.Path == "/hangs" {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	defer close(hold)
	for name, p := range map[string]*http.Protocols{"HTTP/1": http1Only, "HTTP/2": http2Only} {
		t.Run(name, func(t *testing.T) {
			tr := &asynchttp.Transport{TLSClientConfig: trusting(s), Protocols: p, BodyTimeout: 250 * time.Millisecond}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				body, err := get(ctx, c, s.URL)
				for tries := 10; err != nil && longest.Load() > int64(tr.BodyTimeout)/2 && tries > 0; tries-- {
					body, err = get(ctx, c, s.URL)
				}
				if body != "xxxxxx" || err != nil {
					t.Errorf("%q, %v", body, err)
				}
				var late *asynchttp.TimeoutError
				if _, err := get(ctx, c, s.URL+"/hangs"); !errors.As(err, &late) || late.Op != "response body" {
					t.Error("a body that stands still ended with", err)
				}
				return nil
			})
		})
	}
}

func TestConnectTimeoutIsTold(t *testing.T) {
	tr := &asynchttp.Transport{ConnectTimeout: time.Millisecond, DialContext: func(ctx context.Context, network, addr string) (*asyncio.Stream, error) {
		return nil, asyncio.Sleep(ctx, time.Hour)
	}}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, "http://192.0.2.1/")
		var late *asynchttp.TimeoutError
		var network net.Error
		if !errors.As(err, &late) || late.Op != "connection" || !errors.As(err, &network) || !network.Timeout() {
			t.Error("it returned", err)
		}
		return nil
	})
}
