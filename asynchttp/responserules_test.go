package asynchttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestWhatAHandlerSaysOfItsResponse(t *testing.T) {
	for name, x := range map[string]struct {
		handler  http.HandlerFunc
		has, not string
	}{
		"a negative length": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "-3")
			io.WriteString(w, "abc")
		}, "Content-Length: 3\r\n", "-3"},
		"no number": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "three")
			io.WriteString(w, "abc")
		}, "Content-Length: 3\r\n", "three"},
		"a length of nothing": {func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Length"] = nil
			io.WriteString(w, "abc")
		}, "Content-Length: 3\r\n", "Transfer-Encoding"},
		"encoded": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, "<html>")
		}, "Content-Encoding: br\r\n", "Content-Type"},
		"encoded as nothing": {func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Encoding"] = []string{""}
			io.WriteString(w, "<html>")
		}, "Content-Type: text/html", "Transfer-Encoding"},
		"a type of its own": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "<html>")
		}, "Content-Type: a/b\r\n", "text/html"},
		"a date of its own": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "today")
		}, "Date: today\r\n", "GMT"},
	} {
		t.Run(name, func(t *testing.T) {
			withServer(t, handle(x.handler), func(addr string) error {
				got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if !strings.Contains(got, x.has) || strings.Contains(got, x.not) {
					t.Errorf("got %q", got)
				}
				return err
			})
		})
	}
}

func TestASecondWriteHeaderIsReported(t *testing.T) {
	var reports []string
	onLoop(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	}), func(ctx context.Context, c *http.Client, url string) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reports = append(reports, c.Message) })
		resp, _, err := fetch(ctx, c, "GET", url+"/twice", nil)
		if err == nil && resp.StatusCode != http.StatusTeapot {
			t.Errorf("got %s", resp.Status)
		}
		return err
	})
	if len(reports) != 1 || !strings.Contains(reports[0], "GET /twice") {
		t.Errorf("reported %q", reports)
	}
}

func TestABaseContextOfNilIsAMistake(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	var addr string
	srv.BaseContext = func(l net.Listener) context.Context {
		addr = l.Addr().String()
		return nil
	}
	run(t, func(ctx context.Context) error {
		defer func() {
			if v := fmt.Sprint(recover()); !strings.Contains(v, "BaseContext") {
				t.Errorf("panicked with %v", v)
			}
			if _, err := asyncio.OpenConnection(ctx, "tcp", addr); err == nil {
				t.Error("the server listens")
			}
		}()
		_, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		return err
	})
}

func TestHostsThatCannotBeAsked(t *testing.T) {
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for _, host := range []string{"a b", "xn--\u00fc\u00df\u200d.\u0301", "a\x00"} {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
			if err != nil {
				return err
			}
			req.Host = host
			if _, _, err := do(c, req); err == nil || !strings.Contains(err.Error(), "host") {
				t.Errorf("%q: got %v", host, err)
			}
		}
		return nil
	})
}

func TestTextsOfProxyErrors(t *testing.T) {
	for want, e := range map[string]*asynchttp.ProxyError{
		"asynchttp: proxy p: EOF":               {Proxy: "p", Err: io.EOF},
		"asynchttp: proxy p: connect to t: EOF": {Proxy: "p", Target: "t", Err: io.EOF},
	} {
		if e.Error() != want {
			t.Errorf("got %q", e)
		}
	}
}
