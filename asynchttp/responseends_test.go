package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// Who keeps a ResponseWriter writes nothing with it after its handler.
func TestAResponseEndsWithItsHandler(t *testing.T) {
	var kept http.ResponseWriter
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kept != nil {
			n, err := io.WriteString(kept, "late")
			fmt.Fprint(w, n, " ", err)
			if _, _, err := kept.(http.Hijacker).Hijack(); err == nil {
				t.Error("the connection is hijacked by who has it no more")
			}
		}
		kept = w
	})}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, getX+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := s.ReadAll(ctx)
		if got := string(all); !strings.HasSuffix(got, "0 asynchttp: the handler of this request has returned") || strings.Contains(got, "late") {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

// A Hijack whose flush fails is an error, and the response goes on as it was.
func TestAHijackThatCannotFlushIsAnError(t *testing.T) {
	var failed error
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = asyncio.Sleep(r.Context(), time.Second)
		_, _, failed = w.(http.Hijacker).Hijack()
	})}
	srv.WriteTimeout = 500 * time.Millisecond
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, getX)
		_, _ = s.ReadAll(ctx)
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		var late *asynchttp.TimeoutError
		if !errors.As(failed, &late) {
			t.Errorf("Hijack returned %v", failed)
		}
		return nil
	})
}

// A handler's task that is cancelled while it reads is told so.
func TestAReadOfARequestsBodyMayBeCancelled(t *testing.T) {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		var failed error
		task := asyncio.CreateTask(r.Context(), func(context.Context) (int, error) {
			n, failed = r.Body.Read(make([]byte, 9))
			return n, failed
		})
		_ = asyncio.Sleep(r.Context(), time.Second)
		task.Cancel()
		_ = asyncio.Sleep(r.Context(), 0)
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, n, " ", asyncio.IsCancelled(failed), " ", string(b), " ", err)
	})}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n")
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		io.WriteString(s, "abc")
		all, err := s.ReadAll(ctx)
		if !strings.HasSuffix(string(all), "\r\n\r\n0 true abc <nil>") {
			t.Errorf("got %q, %v", all, err)
		}
		return nil
	})
}

// Whether a connection is kept is said where the client cannot know.
func TestAResponseSaysWhetherItsConnectionIsKept(t *testing.T) {
	for _, x := range []struct{ request, own, want string }{
		{"HTTP/1.1\r\nHost: x", "", ""},
		{"HTTP/1.1\r\nHost: x\r\nConnection: close", "", "close"},
		{"HTTP/1.1\r\nHost: x", "close", "close"},
		{"HTTP/1.1\r\nHost: x", "X-Own", "X-Own"},
		{"HTTP/1.1\r\nHost: x", "X-Own, close", "X-Own, close"},
		{"HTTP/1.1\r\nHost: x\r\nConnection: close", "X-Own", "close"},
		{"HTTP/1.0", "", ""},
		{"HTTP/1.0\r\nConnection: close", "", ""},
		{"HTTP/1.0\r\nConnection: keep-alive", "", "keep-alive"},
		{"HTTP/1.0\r\nConnection: keep-alive", "close", "close"},
	} {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if x.own != "" {
				w.Header().Set("Connection", x.own)
			}
			io.WriteString(w, "x")
		})}
		toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
			io.WriteString(s, "GET / "+x.request+"\r\n\r\n")
			head, err := s.ReadUntil(ctx, []byte("\r\n\r\n"))
			if err != nil {
				return err
			}
			_, got, _ := strings.Cut(string(head), "\r\nConnection: ")
			if got, _, _ = strings.Cut(got, "\r\n"); got != x.want {
				t.Errorf("%q, %q: it said %q, want %q", x.request, x.own, got, x.want)
			}
			return nil
		})
	}
}

// Those who have registered are told of one Shutdown.
func TestShutdownTellsOnce(t *testing.T) {
	told := 0
	srv := &asynchttp.Server{}
	srv.RegisterOnShutdown(func() { told++ })
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		for range 2 {
			if err := srv.Shutdown(ctx); err != nil {
				return err
			}
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if told != 1 {
			t.Errorf("it was told %d times", told)
		}
		return nil
	})
}
