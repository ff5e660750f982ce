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

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestErrorsSayWhatHasFailed(t *testing.T) {
	for want, err := range map[string]error{
		"asynchttp: timed out waiting for the response header":   &asynchttp.TimeoutError{Op: "response header"},
		"asynchttp: proxy http://p: connect to h:80: it is full": &asynchttp.ProxyError{Proxy: "http://p", Target: "h:80", Err: errors.New("it is full")},
		"asynchttp: proxy http://p: it is full":                  &asynchttp.ProxyError{Proxy: "http://p", Err: errors.New("it is full")},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	late := &asynchttp.TimeoutError{}
	if !errors.Is(late, context.DeadlineExceeded) || errors.Is(late, context.Canceled) || !late.Timeout() || !late.Temporary() {
		t.Error("a timeout is none")
	}
}

func TestARequestIsAnErrorWhereNobodyCouldWait(t *testing.T) {
	srv := countedServer(t, echo)
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		if err != nil {
			return err
		}
		l, _ := asyncio.RunningLoop(ctx)
		done := asyncio.NewFuture[error](l)
		l.CallSoon(func() {
			_, err := tr.RoundTrip(req)
			done.SetResult(err)
		})
		if err, _ := done.Await(ctx); !errors.Is(err, asyncio.ErrNotInTask) {
			t.Errorf("in a callback: %v", err)
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			_, err := tr.RoundTrip(req)
			return 0, err
		})
		if !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("on another goroutine: %v", err)
		}
		if made, _ := srv.numbers(); made != 0 {
			t.Errorf("%d connections were made", made)
		}
		return nil
	})
}

func TestTheNameOfAHostIsOneInLargeAndSmallLetters(t *testing.T) {
	srv := countedServer(t, echo)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	dialed := 0
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		for _, host := range []string{"localhost", "LocalHost", "LOCALHOST"} {
			if _, err := get(ctx, c, "http://"+host+":"+port); err != nil {
				return err
			}
			_, _, hosts := tr.Counts()
			dialed = max(dialed, hosts)
		}
		if made, _ := srv.numbers(); made != 1 || dialed != 1 {
			t.Errorf("%d connections to %d hosts", made, dialed)
		}
		return nil
	})
}

// serveRequests serves with the handler while main runs, which is given the address.
func serveRequests(t *testing.T, handler http.HandlerFunc, main func(ctx context.Context, addr string) error) {
	t.Helper()
	srv := &asynchttp.Server{Handler: handler}
	run(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		return errors.Join(main(ctx, addr.String()), srv.Shutdown(ctx))
	})
}

func TestASecondReaderOfARequestsBodyIsToldSo(t *testing.T) { onEveryDriver(t, testASecondReader) }

func testASecondReader(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		first := asyncio.CreateTask(r.Context(), func(context.Context) (string, error) {
			b, err := io.ReadAll(r.Body)
			return string(b), err
		})
		_ = asyncio.Sleep(r.Context(), 0)
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, asynchttp.ErrConcurrentRead) {
			t.Errorf("the second read %d bytes, %v", n, err)
		}
		io.WriteString(w, "go on") // the client sends its body now
		w.(http.Flusher).Flush()
		if got, err := first.Await(r.Context()); got != "body" || err != nil {
			t.Errorf("the first read %q, %v", got, err)
		}
	}
	serveRequests(t, handler, func(ctx context.Context, addr string) error {
		s, err := asyncio.OpenConnection(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Fprintf(s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
		if _, err := s.ReadUntil(ctx, []byte("go on")); err != nil {
			return err
		}
		io.WriteString(s, "body")
		_, err = s.ReadUntil(ctx, []byte("0\r\n\r\n"))
		return err
	})
}

func TestTheRestOfAFileIsSentFromWhereItStands(t *testing.T) {
	text := strings.Repeat("0123456789", 10_000)
	f := tempFile(t, text)
	handler := func(w http.ResponseWriter, _ *http.Request) {
		f.Seek(30_005, io.SeekStart)
		if n, err := io.Copy(w, f); n != 69_995 || err != nil {
			t.Errorf("it sent %d bytes, %v", n, err)
		}
	}
	serveRequests(t, handler, func(ctx context.Context, addr string) error {
		tr := &asynchttp.Transport{}
		defer tr.Close()
		got, err := get(ctx, &http.Client{Transport: tr}, "http://"+addr)
		if got != text[30_005:] {
			t.Errorf("%d bytes came", len(got))
		}
		return err
	})
}

// A length is announced where the handler has written all at once, and has not said
// anything else; of nothing too.
func TestTheLengthOfWhatAHandlerWritesIsAnnounced(t *testing.T) {
	handlers := map[string]struct {
		handler http.HandlerFunc
		length  string // none: "-"
	}{
		"nothing":         {func(http.ResponseWriter, *http.Request) {}, "0"},
		"a word":          {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "word") }, "4"},
		"its own":         {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }, "0"},
		"none may":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "-"},
		"sent in between": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); w.(http.Flusher).Flush() }, "-"},
		"more than nothing": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "0")
			if n, err := io.WriteString(w, "x"); n != 0 || !errors.Is(err, http.ErrContentLength) {
				t.Errorf("it wrote %d bytes, %v", n, err)
			}
		}, "0"},
	}
	for name, x := range handlers {
		serveRequests(t, x.handler, func(ctx context.Context, addr string) error {
			s, err := asyncio.OpenConnection(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			defer s.Close()
			fmt.Fprintf(s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			all, err := s.ReadAll(ctx)
			if err != nil {
				return err
			}
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(all))), nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			length := resp.Header.Get("Content-Length")
			if length == "" {
				length = "-"
			}
			if length != x.length {
				t.Errorf("%s: the length is %s, want %s", name, length, x.length)
			}
			return nil
		})
	}
}
