package asynchttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// onLoop runs main with a client and a server of this package, on one loop.
func onLoop(t *testing.T, h http.Handler, main func(ctx context.Context, c *http.Client, url string) error) {
	t.Helper()
	srv := &asynchttp.Server{Handler: h}
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		return errors.Join(main(ctx, c, "http://"+addr.String()), srv.Shutdown(ctx))
	})
}

func TestAReverseProxyOfNetHTTPWorksOnTheLoop(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(echo))
	defer back.Close()
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &asynchttp.Transport{}
	onLoop(t, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: tr,
	}, func(ctx context.Context, c *http.Client, url string) error {
		defer tr.Close()
		for _, path := range []string{"/x", "/chunked", "/gzip", "/nothing"} {
			want, err := get(ctx, c, back.URL+path)
			if err != nil {
				return err
			}
			if got, err := get(ctx, c, url+path); got != want {
				t.Errorf("%s: got %.60q, %v", path, got, err)
			}
		}
		_, got, err := fetch(ctx, c, "PUT", url+"/up", strings.NewReader(strings.Repeat("x", 1<<20)))
		if got != "PUT /up 1048576" {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

func TestTheFileServerOfNetHTTPWorksOnTheLoop(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100000)
	if err := os.WriteFile(filepath.Join(dir, "file.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	onLoop(t, http.FileServer(http.Dir(dir)), func(ctx context.Context, c *http.Client, url string) error {
		if got, err := get(ctx, c, url+"/file.txt"); got != text {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		req, _ := http.NewRequestWithContext(ctx, "GET", url+"/file.txt", nil)
		req.Header.Set("Range", "bytes=15-19")
		resp, got, err := do(c, req)
		if err != nil || got != "56789" || resp.StatusCode != http.StatusPartialContent {
			t.Errorf("a range: got %q, %v", got, err)
		}
		req, _ = http.NewRequestWithContext(ctx, "GET", url+"/file.txt", nil)
		req.Header.Set("If-Modified-Since", resp.Header.Get("Last-Modified"))
		if resp, _, err = do(c, req); err != nil || resp.StatusCode != http.StatusNotModified {
			t.Errorf("if modified since: %v", err)
		}
		return nil
	})
}

func TestMaxBytesHandlerEndsAnUpload(t *testing.T) {
	h := http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}
	}), 1000)
	onLoop(t, h, func(ctx context.Context, c *http.Client, url string) error {
		resp, got, err := fetch(ctx, c, "PUT", url, strings.NewReader(strings.Repeat("x", 10<<20)))
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

func TestEventsOfAStreamArriveOneByOne(t *testing.T) {
	onLoop(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "data: x\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			// The next one only when the client has said so.
			if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
	}), func(ctx context.Context, c *http.Client, url string) error {
		pr := &fedBody{ctx: ctx}
		req, _ := http.NewRequestWithContext(ctx, "POST", url, pr)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b := make([]byte, 9)
		for range 3 {
			if _, err := io.ReadFull(resp.Body, b); string(b) != "data: x\n\n" {
				t.Errorf("got %q, %v", b, err)
			}
			pr.feed()
		}
		pr.end()
		_, err = io.ReadAll(resp.Body)
		return err
	})
}

// fedBody is a request's body that gives a byte each time it is fed.
type fedBody struct {
	ctx   context.Context
	queue *asyncio.Queue[bool]
}

func (b *fedBody) q() *asyncio.Queue[bool] {
	if b.queue == nil {
		b.queue = asyncio.NewQueue[bool](0)
	}
	return b.queue
}

func (b *fedBody) feed() { b.q().PutNowait(true) }
func (b *fedBody) end()  { b.q().PutNowait(false) }

func (b *fedBody) Read(p []byte) (int, error) {
	more, err := b.q().Get(b.ctx)
	if err != nil {
		return 0, err
	}
	if !more {
		return 0, io.EOF
	}
	p[0] = 'x'
	return 1, nil
}
