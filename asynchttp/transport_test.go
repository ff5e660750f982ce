package asynchttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// echo is a peer that says what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/redirect":
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		http.Redirect(w, r, "/", http.StatusFound)
		return
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("squeezed ", 1000))
		z.Close()
		return
	case "/chunked":
		for range 3 {
			fmt.Fprint(w, "piece")
			w.(http.Flusher).Flush()
		}
		return
	case "/nothing":
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b, _ := io.ReadAll(r.Body)
	c, _ := r.Cookie("seen")
	if c != nil {
		w.Header().Set("X-Cookie", c.Value)
	}
	w.Header().Set("X-Encoding", strings.Join(r.TransferEncoding, ","))
	fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(b))
}

func TestClientGetsWhatTheServerSends(t *testing.T) {
	onEveryDriver(t, testClientGetsWhatTheServerSends)
}

func testClientGetsWhatTheServerSends(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	big := strings.Repeat("x", 1<<20)
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		c.Jar, _ = cookiejar.New(nil)
		for _, x := range []struct {
			method, path string
			body         io.Reader
			want         string
		}{
			{"GET", "/a", nil, "GET /a 0"},
			{"POST", "/b", strings.NewReader("hello"), "POST /b 5"},
			{"POST", "/empty", nil, "POST /empty 0"},
			{"PUT", "/big", strings.NewReader(big), "PUT /big 1048576"},
			{"PUT", "/unknown", io.MultiReader(strings.NewReader(big)), "PUT /unknown 1048576"},
			{"GET", "/unknown", io.MultiReader(strings.NewReader("some")), "GET /unknown 4"},
			{"GET", "/redirect", nil, "GET / 0"},
			{"GET", "/gzip", nil, strings.Repeat("squeezed ", 1000)},
			{"GET", "/chunked", nil, "piecepiecepiece"},
			{"GET", "/nothing", nil, ""},
			{"HEAD", "/head", nil, ""},
		} {
			_, got, err := fetch(ctx, c, x.method, srv.URL+x.path, x.body)
			if err != nil || got != x.want {
				t.Errorf("%s %s: got %.60q, %v", x.method, x.path, got, err)
			}
		}
		return nil
	})
}

func TestClientOverTLS(t *testing.T) { onEveryDriver(t, testClientOverTLS) }

func testClientOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	withClient(t, &asynchttp.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, func(ctx context.Context, c *http.Client) error {
		resp, got, err := fetch(ctx, c, "PUT", srv.URL+"/x", strings.NewReader(strings.Repeat("x", 1<<20)))
		if err != nil || got != "PUT /x 1048576" {
			t.Errorf("got %q, %v", got, err)
		}
		if resp.TLS == nil || resp.TLS.NegotiatedProtocol != "http/1.1" {
			t.Errorf("TLS state is %+v", resp.TLS)
		}
		return nil
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, srv.URL)
		var unknown x509.UnknownAuthorityError
		var e *asynchttp.TLSError
		if !errors.As(err, &unknown) || !errors.As(err, &e) {
			t.Errorf("a certificate nobody vouches for: %v", err)
		}
		return nil
	})
}

func TestCopyOfABodyGetsAllOfIt(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		if r.URL.RawQuery == "" {
			w.Header().Set("Content-Length", strconv.Itoa(n))
		}
		io.WriteString(w, strings.Repeat("abc", n/3+1)[:n])
	}))
	defer srv.Close()
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for _, n := range []int{1, 100, 3500, 5000, 100000, 1000000} {
			for _, query := range []string{"", "?chunked"} {
				for _, ahead := range []int{0, 1} {
					req, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/%d%s", srv.URL, n, query), nil)
					resp, err := c.Do(req)
					if err != nil {
						return err
					}
					var b bytes.Buffer
					if _, err := io.CopyN(&b, resp.Body, int64(ahead)); err != nil {
						return err
					}
					_, err = io.Copy(&b, resp.Body)
					if want := strings.Repeat("abc", n/3+1)[:n]; b.String() != want {
						t.Errorf("%d%s: got %d bytes, %v", n, query, b.Len(), err)
					}
					resp.Body.Close()
				}
			}
		}
		return nil
	})
}

func TestGzipIsLeftAloneWhenTheRequestAskedForIt(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL+"/gzip", nil)
		req.Header.Set("Accept-Encoding", "gzip")
		resp, got, err := do(c, req)
		if err != nil || resp.Uncompressed || !bytes.HasPrefix([]byte(got), []byte{0x1f, 0x8b}) {
			t.Errorf("got %.20q, %v", got, err)
		}
		return nil
	})
}

func TestRequestOutsideOfACoroutineIsAnError(t *testing.T) {
	tr := &asynchttp.Transport{}
	if _, err := (&http.Client{Transport: tr}).Get("http://127.0.0.1:1/"); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		_, err := asyncio.ToThread(ctx, func(tctx context.Context) (string, error) {
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:1/", nil)
			_, _, err := do(c, req)
			return "", err
		})
		if !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("on another goroutine: %v", err)
		}
		return nil
	})
}

func TestTransportOfAnotherLoopIsAnError(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	tr := &asynchttp.Transport{}
	c := &http.Client{Transport: tr}
	run(t, func(ctx context.Context) error {
		defer tr.CloseIdleConnections()
		_, err := get(ctx, c, srv.URL)
		return err
	})
	run(t, func(ctx context.Context) error {
		if _, err := get(ctx, c, srv.URL); !errors.Is(err, asyncio.ErrWrongLoop) {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

func TestContextOfNoLoopWillDoOnceTheTransportHasALoop(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		if _, err := get(ctx, c, srv.URL); err != nil {
			return err
		}
		resp, err := c.Get(srv.URL + "/plain")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "GET /plain 0" {
			t.Errorf("got %q, %v", b, err)
		}
		return nil
	})
}

func TestTheTransportMayBeClosedAfterItsLoop(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	tr := &asynchttp.Transport{}
	run(t, func(ctx context.Context) error {
		_, err := get(ctx, &http.Client{Transport: tr}, srv.URL)
		return err
	})
	tr.CloseIdleConnections()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheServerMayBeClosedAfterItsLoop(t *testing.T) {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(echo)}
	run(t, func(ctx context.Context) error {
		_, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		return err
	})
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}
