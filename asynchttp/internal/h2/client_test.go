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

// asking runs main with a connection to net/http's server of h.
func asking(t *testing.T, h http.HandlerFunc, main func(ctx context.Context, c *h2.ClientConn, url string) error) {
	t.Helper()
	onEveryDriver(t, func(t *testing.T) {
		addr := netServer(t, h)
		run(t, func(ctx context.Context) error {
			var cl h2.Client
			c, err := dial(ctx, &cl, addr)
			if err != nil {
				return err
			}
			if err := main(ctx, c, "http://"+addr); err != nil {
				return err
			}
			c.Close(h2.ErrClosed)
			return c.WaitClosed(ctx)
		})
	})
}

// request does a request over a connection.
func request(c *h2.ClientConn, req *http.Request) (*http.Response, string, error) {
	resp, err := c.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func TestClientSendsWhatNetHTTPReads(t *testing.T) {
	asking(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %q %v %v %v %v", r.Method, r.URL, r.ContentLength, b, err, r.Header["Cookie"], r.Header["Te"], r.Trailer)
	}, func(ctx context.Context, c *h2.ClientConn, url string) error {
		for _, x := range []struct {
			method, body string
			unknown      bool
			want         string
		}{
			{"GET", "", false, `GET /p?q=1 0 "" <nil> [a=1; b=2] [trailers] map[]`},
			{"POST", "", false, `POST /p?q=1 0 "" <nil> [a=1; b=2] [trailers] map[]`},
			{"PUT", "xyz", false, `PUT /p?q=1 3 "xyz" <nil> [a=1; b=2] [trailers] map[]`},
			{"PUT", "xyz", true, `PUT /p?q=1 -1 "xyz" <nil> [a=1; b=2] [trailers] map[X-T:[end]]`},
		} {
			var body io.Reader
			switch {
			case x.unknown:
				body = io.MultiReader(strings.NewReader(x.body))
			case x.body != "":
				body = strings.NewReader(x.body)
			}
			req, _ := http.NewRequestWithContext(ctx, x.method, url+"/p?q=1", body)
			req.Header.Set("Cookie", "a=1; b=2")
			req.Header.Set("Te", "trailers")
			req.Header.Set("Connection", "keep-alive")
			if x.unknown {
				req.Trailer = http.Header{"X-T": {"end"}}
			}
			resp, got, err := request(c, req)
			if err != nil {
				return err
			}
			if got != x.want || resp.Proto != "HTTP/2.0" || resp.Status != "200 OK" {
				t.Errorf("got  %s\nwant %s", got, x.want)
			}
		}
		return nil
	})
}

func TestManyRequestsShareAConnection(t *testing.T) {
	asking(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat(r.URL.Path, 1000)) },
		func(ctx context.Context, c *h2.ClientConn, url string) error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for i := range 700 { // more than net/http takes at once
					g.Go(func(ctx context.Context) error {
						path := fmt.Sprint("/", i)
						body, err := get(ctx, c, url+path)
						if err == nil && body != strings.Repeat(path, 1000) {
							err = fmt.Errorf("%s: %d bytes", path, len(body))
						}
						return err
					})
				}
				return nil
			})
		})
}

func TestClientStreamsLargeBodiesBothWays(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	asking(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
		func(ctx context.Context, c *h2.ClientConn, url string) error {
			req, _ := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(payload))
			resp, err := c.RoundTrip(req)
			if err != nil {
				return err
			}
			var got bytes.Buffer
			if _, err := io.Copy(&got, resp.Body); err != nil {
				return err
			}
			if !bytes.Equal(got.Bytes(), payload) {
				t.Errorf("%d bytes came back, not the %d that were sent", got.Len(), len(payload))
			}
			return nil
		})
}

func TestClientTellsTheTraceOfEverything(t *testing.T) {
	asking(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-T")
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "x")
		w.Header().Set("X-T", "t")
	}, func(ctx context.Context, c *h2.ClientConn, url string) error {
		var seen []string
		note := func(s string) { seen = append(seen, s) }
		trace := &httptrace.ClientTrace{
			WroteHeaderField: func(k string, v []string) {
				if k == ":method" {
					note(k + v[0])
				}
			},
			WroteHeaders:         func() { note("headers") },
			Wait100Continue:      func() { note("wait") },
			Got100Continue:       func() { note("continue") },
			WroteRequest:         func(i httptrace.WroteRequestInfo) { note(fmt.Sprint("wrote ", i.Err)) },
			GotFirstResponseByte: func() { note("first") },
			Got1xxResponse:       func(code int, _ textproto.MIMEHeader) error { note(fmt.Sprint(code)); return nil },
		}
		req, _ := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader("body"))
		req.Header.Set("Expect", "100-continue")
		resp, err := c.Do(req, h2.Call{Context: ctx, Trace: trace})
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if got := strings.Join(seen, " "); got != ":methodPOST headers wait first continue 100 wrote <nil> 103" {
			t.Error(got)
		}
		if got := fmt.Sprint(resp.Trailer); got != "map[X-T:[t]]" {
			t.Error("trailers:", got)
		}
		return nil
	})
}

func TestClosingABodyResetsTheStreamOnly(t *testing.T) {
	gone := make(chan struct{}, 1)
	asking(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		w.Write(make([]byte, 100000))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}, func(ctx context.Context, c *h2.ClientConn, url string) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", url+"/long", nil)
		resp, err := c.RoundTrip(req)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 50000)); err != nil {
			return err
		}
		resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, h2.ErrBodyClosed) {
			t.Error("read after close:", err)
		}
		if err := inThread(ctx, func(context.Context) error { <-gone; return nil }); err != nil {
			return err
		}
		_, err = get(ctx, c, url+"/")
		return err
	})
}

func TestACancelledRequestLeavesTheConnection(t *testing.T) {
	asking(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
		}
	}, func(ctx context.Context, c *h2.ClientConn, url string) error {
		for range 50 {
			err := asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
				_, err := get(ctx, c, url+"/hang")
				return err
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
		}
		end, cancel := context.WithCancel(context.Background())
		defer cancel()
		req, _ := http.NewRequestWithContext(end, "GET", url+"/hang", nil)
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := c.Do(req, h2.Call{Context: ctx, End: end})
			return err
		})
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		cancel()
		if _, err := task.Await(ctx); !errors.Is(err, context.Canceled) {
			t.Error("a context that ends:", err)
		}
		if c.Requests() != 0 {
			t.Error("requests left:", c.Requests())
		}
		_, err := get(ctx, c, url+"/")
		return err
	})
}

func TestRequestBodiesThatLieFail(t *testing.T) {
	asking(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
		func(ctx context.Context, c *h2.ClientConn, url string) error {
			for _, x := range []struct {
				body   io.Reader
				length int64
				want   string
			}{
				{strings.NewReader("short"), 10, "ended after 5 of the 10"},
				{strings.NewReader("too long"), 3, "more than the 3"},
				{io.MultiReader(strings.NewReader("x"), failing{}), -1, "no more"},
			} {
				req, _ := http.NewRequestWithContext(ctx, "POST", url, x.body)
				req.ContentLength = x.length
				_, _, err := request(c, req)
				var body *h2.RequestBodyError
				if !errors.As(err, &body) || !strings.Contains(err.Error(), x.want) {
					t.Errorf("got %v, want %q", err, x.want)
				}
			}
			_, err := get(ctx, c, url)
			return err
		})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no more") }

func TestTheServersLimitOfStreamsIsKeptInOrder(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			now, most := 0, 0
			var order []string
			s, err := listen(ctx, &h2.Server{MaxConcurrentStreams: 3, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				now++
				most = max(most, now)
				order = append(order, r.URL.Path)
				_ = asyncio.Sleep(r.Context(), time.Millisecond)
				now--
			})})
			if err != nil {
				return err
			}
			var cl h2.Client
			c, err := dial(ctx, &cl, s.addr)
			if err != nil {
				return err
			}
			if _, err := get(ctx, c, "http://"+s.addr+"/first"); err != nil { // and the settings have come
				return err
			}
			var want []string
			err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for i := range 20 {
					path := fmt.Sprint("/", i)
					want = append(want, path)
					g.Go(func(ctx context.Context) error { _, err := get(ctx, c, "http://"+s.addr+path); return err })
				}
				return nil
			})
			if err != nil {
				return err
			}
			if got := fmt.Sprint(order[1:]); most != 3 || got != fmt.Sprint(want) {
				t.Errorf("%d at once, in the order %s", most, got)
			}
			c.Close(h2.ErrClosed)
			return errors.Join(c.WaitClosed(ctx), s.close(ctx))
		})
	})
}

func TestAPingFindsAPeerThatIsGone(t *testing.T) {
	run(t, func(ctx context.Context) error {
		l, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, _ = s.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS, and nothing more
			_, _ = io.Copy(io.Discard, s)
			return nil
		})
		if err != nil {
			return err
		}
		cl := h2.Client{PingInterval: 5 * time.Millisecond, PingTimeout: 5 * time.Millisecond}
		c, err := dial(ctx, &cl, l.Addr().String())
		if err != nil {
			return err
		}
		if _, err := get(ctx, c, "http://"+l.Addr().String()); !errors.Is(err, h2.ErrPingTimeout) {
			t.Error(err)
		}
		if err := c.WaitClosed(ctx); err != nil {
			return err
		}
		l.Close()
		return l.WaitClosed(ctx)
	})
}
