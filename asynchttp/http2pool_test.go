package asynchttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// onHTTP2 runs main with a client of a server in a world, on which each request
// waits for goOn when its path says so.
func onHTTP2(t *testing.T, tr *asynchttp.Transport, streams int, main func(ctx context.Context, c *http.Client, goOn *asyncio.Event) error) {
	t.Helper()
	inWorld(t, func(ctx context.Context) error {
		goOn := asyncio.NewEvent()
		srv := &asynchttp.Server{HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				_ = goOn.Wait(r.Context())
			}
			io.WriteString(w, r.Proto)
		})}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		tr.Protocols = plainOnly
		err := main(ctx, &http.Client{Transport: tr}, goOn)
		return errors.Join(err, tr.Close(), srv.Close())
	})
}

// Requests above what a connection takes get another one, where that may be.
func TestRequestsAboveTheLimitOfAConnectionGetAnother(t *testing.T) {
	for name, x := range map[string]struct {
		tr   asynchttp.Transport
		want int // connections
	}{
		"as many as it takes": {asynchttp.Transport{}, 3},
		"two":                 {asynchttp.Transport{MaxConnsPerHost: 2}, 2},
		"one":                 {asynchttp.Transport{MaxConnsPerHost: 1}, 1},
		"strictly":            {asynchttp.Transport{HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}}, 1},
		"not strictly":        {asynchttp.Transport{HTTP2: &http.HTTP2Config{}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			onHTTP2(t, &x.tr, 1, func(ctx context.Context, c *http.Client, goOn *asyncio.Event) error {
				if _, err := get(ctx, c, "http://127.0.0.1/"); err != nil { // it knows the limit now
					return err
				}
				if all, idle, _ := x.tr.Counts(); all != 1 || idle != 1 {
					t.Errorf("%d connections, %d idle", all, idle)
				}
				var tasks []*asyncio.Task[string]
				for range 3 {
					tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, "http://127.0.0.1/wait") }))
					if err := asyncio.Sleep(ctx, time.Second); err != nil {
						return err
					}
				}
				if all, idle, _ := x.tr.Counts(); all != x.want || idle != 0 {
					t.Errorf("%d connections, %d idle, want %d", all, idle, x.want)
				}
				goOn.Set()
				for _, task := range tasks {
					if got, err := task.Await(ctx); got != "HTTP/2.0" || err != nil {
						t.Errorf("got %q, %v", got, err)
					}
				}
				if all, idle, _ := x.tr.Counts(); all != x.want || idle != x.want {
					t.Errorf("in the end %d connections, %d idle", all, idle)
				}
				x.tr.CloseIdleConnections()
				if all, idle, hosts := x.tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
					t.Errorf("closed, and there are %d connections, %d idle, to %d hosts", all, idle, hosts)
				}
				return nil
			})
		})
	}
}

// The first request for a host makes a connection for all who come meanwhile.
func TestRequestsWaitForTheFirstConnection(t *testing.T) {
	for _, end := range []string{"", "cancelled", "closed", "failed"} {
		dialed, may := 0, asyncio.NewEvent()
		noWay := errors.New("there is no way")
		tr := &asynchttp.Transport{DialContext: func(ctx context.Context, network, addr string) (*asyncio.Stream, error) {
			dialed++
			if err := may.Wait(ctx); err != nil {
				return nil, err
			}
			if end == "failed" && dialed == 1 {
				return nil, noWay
			}
			return asyncio.OpenConnection(ctx, network, addr)
		}}
		onHTTP2(t, tr, 10, func(ctx context.Context, c *http.Client, _ *asyncio.Event) error {
			var tasks []*asyncio.Task[string]
			for range 3 {
				tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, "http://127.0.0.1/") }))
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			if dialed != 1 {
				t.Errorf("%d have dialled", dialed)
			}
			switch end {
			case "cancelled":
				tasks[1].Cancel()
			case "closed":
				tr.Close()
			}
			may.Set()
			for i, task := range tasks {
				got, err := task.Await(ctx)
				switch {
				case end == "cancelled" && i == 1:
					if !asyncio.IsCancelled(err) {
						t.Errorf("the cancelled one got %q, %v", got, err)
					}
				case end == "closed":
					if !errors.Is(err, asynchttp.ErrTransportClosed) {
						t.Errorf("number %d of a closed transport got %q, %v", i, got, err)
					}
				case end == "failed" && i == 0:
					if !errors.Is(err, noWay) {
						t.Errorf("the first one got %q, %v", got, err)
					}
				default:
					if got != "HTTP/2.0" || err != nil {
						t.Errorf("number %d got %q, %v", i, got, err)
					}
				}
			}
			want := map[string]int{"failed": 2}[end]
			if dialed != max(1, want) {
				t.Errorf("%s: %d have dialled", end, dialed)
			}
			return nil
		})
	}
}

// A request that asks for the end of its connection gets that, when all is done.
func TestARequestMayEndItsConnectionOfHTTP2(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"by its field": func(r *http.Request) { r.Header.Set("Connection", "close") },
		"by itself":    func(r *http.Request) { r.Close = true },
		"not":          func(r *http.Request) {},
	} {
		tr := &asynchttp.Transport{}
		onHTTP2(t, tr, 10, func(ctx context.Context, c *http.Client, _ *asyncio.Event) error {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/", nil)
			if err != nil {
				return err
			}
			change(req)
			if _, got, err := do(c, req); got != "HTTP/2.0" || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			want := 0
			if name == "not" {
				want = 1
			}
			if all, idle, hosts := tr.Counts(); all != want || idle != want || hosts != want {
				t.Errorf("%s: %d connections, %d idle, to %d hosts", name, all, idle, hosts)
			}
			return nil
		})
	}
}

// An h2Peer is a server of HTTP/2 that answers each request, counted over all
// connections, as the test says.
type h2Peer struct {
	conns, requests int
	answer          func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error
}

func (p *h2Peer) serve(_ context.Context, s *asyncio.Stream) error {
	p.conns++
	fr, err := greet(s)
	if err != nil {
		return nil
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return nil
		}
		if h, ok := f.(*http2.HeadersFrame); ok {
			p.requests++
			if p.answer(p.requests, s, fr, h.StreamID) != nil {
				return nil
			}
		}
	}
}

func noContent(fr *http2.Framer, id uint32) error {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "204"})
	return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true})
}

// A request is sent again where the server has done nothing with it, or where that
// is harmless and the connection may have been stale.
func TestWhatIsSentAgainOverHTTP2(t *testing.T) {
	refuse := func(fr *http2.Framer, id uint32) error { return fr.WriteRSTStream(id, http2.ErrCodeRefusedStream) }
	gone := errors.New("gone")
	for name, x := range map[string]struct {
		method   string
		body     func() io.Reader
		answer   func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error // to those after the first
		requests int
		ok       bool
	}{
		"refused once": {"GET", nil, func(n int, _ *asyncio.Stream, fr *http2.Framer, id uint32) error {
			if n == 2 {
				return refuse(fr, id)
			}
			return noContent(fr, id)
		}, 3, true},
		"refused once, with a body": {"POST", func() io.Reader { return strings.NewReader("x") }, func(n int, _ *asyncio.Stream, fr *http2.Framer, id uint32) error {
			if n == 2 {
				return refuse(fr, id)
			}
			return noContent(fr, id)
		}, 3, true},
		"refused, with a body that is gone": {"POST", func() io.Reader { return io.MultiReader(strings.NewReader("x")) }, func(n int, _ *asyncio.Stream, fr *http2.Framer, id uint32) error {
			return refuse(fr, id)
		}, 2, false},
		"refused again and again": {"GET", nil, func(_ int, _ *asyncio.Stream, fr *http2.Framer, id uint32) error { return refuse(fr, id) }, 5, false},
		"lost": {"GET", nil, func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error {
			if n == 2 {
				s.Abort()
				return gone
			}
			return noContent(fr, id)
		}, 3, true},
		"lost twice": {"GET", nil, func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error {
			s.Abort()
			return gone
		}, 3, false},
		"lost, and not harmless": {"POST", nil, func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error {
			s.Abort()
			return gone
		}, 2, false},
		"reset": {"GET", nil, func(n int, _ *asyncio.Stream, fr *http2.Framer, id uint32) error {
			return fr.WriteRSTStream(id, http2.ErrCodeInternal)
		}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(ctx context.Context) error {
				peer := &h2Peer{}
				peer.answer = func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error {
					if n == 1 {
						return noContent(fr, id)
					}
					return x.answer(n, s, fr, id)
				}
				l, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:80", peer.serve)
				if err != nil {
					return err
				}
				defer l.Close()
				tr := &asynchttp.Transport{Protocols: plainOnly}
				defer tr.Close()
				c := &http.Client{Transport: tr}
				if _, err := get(ctx, c, "http://127.0.0.1/"); err != nil {
					return err
				}
				var body io.Reader
				if x.body != nil {
					body = x.body()
				}
				resp, _, err := fetch(ctx, c, x.method, "http://127.0.0.1/", body)
				if (err == nil) != x.ok || x.ok && resp.StatusCode != 204 || peer.requests != x.requests {
					t.Errorf("%d requests, %v", peer.requests, err)
				}
				return nil
			})
		})
	}
}

// The preface of HTTP/2 may come in pieces; what only looks like it is HTTP/1.
func TestThePrefaceMayComeInPieces(t *testing.T) {
	for send, want := range map[string]string{
		"PRI * HTTP/2.0|\r\n\r\nSM\r\n\r\n|\x00\x00\x00\x04\x00\x00\x00\x00\x00": "\x00\x00",
		"P|RI * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                "HTTP/1.1 200 OK",
		"P|OST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n":               "HTTP/1.1 200 OK",
		"PRI * HTT|": "",
	} {
		toServer(t, &asynchttp.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, func(ctx context.Context, s *asyncio.Stream) error {
			for part := range strings.SplitSeq(send, "|") {
				io.WriteString(s, part)
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			if want == "" {
				if err := s.WriteEOF(); err != nil {
					return err
				}
			}
			p := make([]byte, len(want))
			if _, err := io.ReadFull(s, p); string(p) != want {
				t.Errorf("%q: got %q, %v", send, p, err)
			}
			return nil
		})
	}
}

// The end of BaseContext ends a connection of HTTP/2, and a server that shuts down
// takes no request of one that comes later.
func TestTheEndOfTheBaseContextEndsHTTP2(t *testing.T) {
	base, end := context.WithCancel(context.Background())
	var states []string
	srv := &asynchttp.Server{
		Protocols:   plainOnly,
		BaseContext: func(net.Listener) context.Context { return base },
		ConnState:   func(_ net.Conn, s http.ConnState) { states = append(states, fmt.Sprint(s)) },
		Handler:     http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = asyncio.Sleep(r.Context(), time.Hour) }),
	}
	inWorld(t, func(ctx context.Context) error {
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		tr := &asynchttp.Transport{Protocols: plainOnly}
		defer tr.Close()
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return get(ctx, &http.Client{Transport: tr}, "http://127.0.0.1/")
		})
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		end()
		began := clock(ctx)
		if _, err := task.Await(ctx); err == nil || since(ctx, began) > time.Second {
			t.Errorf("after %v: %v", since(ctx, began), err)
		}
		if err := srv.Shutdown(ctx); err != nil {
			return err
		}
		if got := fmt.Sprint(states); got != "[new active idle active idle closed]" && got != "[new active idle active closed]" {
			t.Errorf("the states were %s", got)
		}
		return nil
	})
}

// A connection of HTTP/2 is idle from the end of its last request on.
func TestAConnectionOfHTTP2IsIdleForSoLong(t *testing.T) {
	tr := &asynchttp.Transport{IdleConnTimeout: time.Minute}
	onHTTP2(t, tr, 10, func(ctx context.Context, c *http.Client, _ *asyncio.Event) error {
		var infos []httptrace.GotConnInfo
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { infos = append(infos, i) }})
		for range 2 {
			if err := asyncio.Sleep(ctx, 50*time.Second); err != nil {
				return err
			}
			if _, err := get(traced, c, "http://127.0.0.1/"); err != nil {
				return err
			}
		}
		if len(infos) != 2 || infos[0].Reused || infos[0].WasIdle || !infos[1].Reused || !infos[1].WasIdle || infos[1].IdleTime.Round(time.Second) != 50*time.Second {
			t.Errorf("the trace was told %+v", infos)
		}
		if err := asyncio.Sleep(ctx, 59*time.Second); err != nil {
			return err
		}
		if all, idle, _ := tr.Counts(); all != 1 || idle != 1 {
			t.Errorf("after 59 seconds: %d connections, %d idle", all, idle)
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if all, idle, hosts := tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
			t.Errorf("after a minute: %d connections, %d idle, to %d hosts", all, idle, hosts)
		}
		return nil
	})
}

// What a server does wrong, and what fails in a request, is an error of this
// package's, and a connection that the server has ended is forgotten.
func TestErrorsOverHTTP2AreThoseOfThePackage(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		peer := &h2Peer{answer: func(n int, s *asyncio.Stream, fr *http2.Framer, id uint32) error {
			switch n {
			case 1:
				var b bytes.Buffer
				_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "2x0"})
				return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true})
			case 2:
				return fr.WriteRSTStream(id, http2.ErrCodeInternal)
			case 3:
				return nil
			}
			err := noContent(fr, id)
			asyncio.CurrentTask(ctx).Loop().CallLater(time.Second, s.Abort)
			return err
		}}
		l, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:80", peer.serve)
		if err != nil {
			return err
		}
		defer l.Close()
		tr := &asynchttp.Transport{Protocols: plainOnly}
		defer tr.Close()
		c := &http.Client{Transport: tr}
		var malformed *asynchttp.MalformedResponseError
		if _, err := get(ctx, c, "http://127.0.0.1/"); !errors.As(err, &malformed) {
			t.Errorf("a status that is none: %v", err)
		}
		if _, err := get(ctx, c, "http://127.0.0.1/"); err == nil || errors.As(err, &malformed) {
			t.Errorf("a reset: %v", err)
		}
		var body *asynchttp.RequestBodyError
		if _, _, err := fetch(ctx, c, "POST", "http://127.0.0.1/", failing{io.ErrClosedPipe}); !errors.As(err, &body) || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a body that fails: %v", err)
		}
		if _, err := get(ctx, c, "http://127.0.0.1/"); err != nil {
			return err
		}
		if all, idle, _ := tr.Counts(); all != 1 || idle != 1 || peer.conns != 1 {
			t.Errorf("%d connections, %d idle, %d in all", all, idle, peer.conns)
		}
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		if all, idle, hosts := tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
			t.Errorf("after its end there are %d connections, %d idle, to %d hosts", all, idle, hosts)
		}
		return nil
	})
}

// Of HTTP/1's limits none is left when HTTP/2 has begun, and the context of a
// request ends with its handler.
func TestWhatAServerOfHTTP2Keeps(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		conns := 0
		var last context.Context
		srv := &asynchttp.Server{
			ReadHeaderTimeout: time.Second,
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					conns++
				}
			},
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				last = r.Context()
				if last.Err() != nil {
					t.Error("the context has ended before the handler:", last.Err())
				}
			}),
		}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		tr := &asynchttp.Transport{Protocols: plainOnly}
		for range 2 {
			if _, err := get(ctx, &http.Client{Transport: tr}, "http://127.0.0.1/"); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			if last.Err() == nil {
				t.Error("the context goes on after the handler")
			}
		}
		if conns != 1 {
			t.Errorf("%d connections", conns)
		}
		return errors.Join(tr.Close(), srv.Close())
	})
}

// Where nothing but HTTP/2 is spoken, HTTP/1 is none.
func TestAServerOfHTTP2AloneAnswersNothingElse(t *testing.T) {
	srv := &asynchttp.Server{Protocols: plainOnly, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a handler was called") })}
	toServer(t, srv, func(ctx context.Context, s *asyncio.Stream) error {
		io.WriteString(s, getX)
		all, err := s.ReadAll(ctx)
		if len(all) == 0 || strings.Contains(string(all), "HTTP/1.1 ") {
			t.Errorf("got %q, %v", all, err)
		}
		return nil
	})
}
