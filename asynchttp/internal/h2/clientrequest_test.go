package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

func TestAClientBeginsWithPrefaceAndSettings(t *testing.T) {
	for want, cl := range map[string]*Client{
		"SETTINGS 2=0 4=1048576 6=307200\nWINDOW_UPDATE 0 +8323073":       {},
		"SETTINGS 2=0 4=1 6=2\nWINDOW_UPDATE 0 +1":                        {StreamWindow: 1, ConnWindow: defaultWindow + 1, MaxHeaderBytes: 2},
		"SETTINGS 2=0 4=1048576 6=307200":                                 {ConnWindow: 1},
		"SETTINGS 2=0 4=2147483647 6=307200\nWINDOW_UPDATE 0 +2147418112": {StreamWindow: math.MaxInt, ConnWindow: math.MaxInt},
	} {
		onVirtualClock(t, func(ctx context.Context) {
			r := newRig(t, ctx)
			r.w.limits = [2]int{-1, -1}
			c, err := cl.NewConn(ctx, r.w)
			if err != nil {
				t.Fatal(err)
			}
			r.turns()
			if !bytes.HasPrefix(r.w.out.Bytes(), []byte(http2.ClientPreface)) {
				t.Error("no preface")
			}
			if r.w.limits != [2]int{0, 0} {
				t.Errorf("the limits of the socket's queue are %d", r.w.limits)
			}
			r.wants(strings.Split(want, "\n")...)
			c.Close(ErrClosed)
			if err := c.WaitClosed(ctx); err != nil || !r.w.closed {
				t.Error(err)
			}
			r.wants("GOAWAY 0 NO_ERROR")
			c.Close(io.EOF)
			if c.Err() != ErrClosed {
				t.Error(c.Err())
			}
		})
	}
}

// reading is a body of which net/http knows nothing.
func reading(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func TestARequestIsSentAsItIs(t *testing.T) {
	const get = "HEADERS 1 end :method=GET :authority=x :scheme=http :path=/ user-agent=asyncio-go/2"
	const post = "HEADERS 1 :method=POST :authority=x :scheme=http :path=/ user-agent=asyncio-go/2"
	for name, x := range map[string]struct {
		change func(req *http.Request)
		want   []string
	}{
		"as it is":         {func(*http.Request) {}, []string{get}},
		"an empty method":  {func(req *http.Request) { req.Method = "" }, []string{get}},
		"https and a path": {func(req *http.Request) { req.URL, _ = url.Parse("https://x:8/a/b?c=d#e") }, []string{"HEADERS 1 end :method=GET :authority=x :scheme=https :path=/a/b?c=d user-agent=asyncio-go/2"}},
		"a host":           {func(req *http.Request) { req.Host = "y:1" }, []string{strings.Replace(get, "=x", "=y:1", 1)}},
		"no host":          {func(req *http.Request) { req.Host = "" }, []string{get}},
		"a foreign host":   {func(req *http.Request) { req.Host = "bücher.example:8" }, []string{strings.Replace(get, "=x", "=xn--bcher-kva.example:8", 1)}},
		"opaque":           {func(req *http.Request) { req.URL.Opaque = "//x/a%2fb" }, []string{strings.Replace(get, ":path=/", ":path=/a%2fb", 1)}},
		"the server":       {func(req *http.Request) { req.Method, req.URL.Opaque = "OPTIONS", "*" }, []string{"HEADERS 1 end :method=OPTIONS :authority=x :scheme=http :path=* user-agent=asyncio-go/2"}},
		"CONNECT":          {func(req *http.Request) { req.Method = "CONNECT" }, []string{"HEADERS 1 end :method=CONNECT :authority=x user-agent=asyncio-go/2"}},
		"an agent":         {func(req *http.Request) { req.Header["User-Agent"] = []string{"me", "you"} }, []string{strings.Replace(get, "asyncio-go/2", "me", 1)}},
		"no agent":         {func(req *http.Request) { req.Header["User-Agent"] = nil }, []string{strings.TrimSuffix(get, " user-agent=asyncio-go/2")}},
		"cookies":          {func(req *http.Request) { req.Header["Cookie"] = []string{"a=1; b=2;", " c=3 ; "} }, []string{strings.Replace(get, " user", " cookie=a=1 cookie=b=2 cookie=c=3 user", 1)}},
		"trailers asked":   {func(req *http.Request) { req.Header.Set("Te", "gzip, trailers") }, []string{strings.Replace(get, " user", " te=trailers user", 1)}},
		"gzip in te":       {func(req *http.Request) { req.Header.Set("Te", "gzip") }, []string{get}},
		"several":          {func(req *http.Request) { req.Header["X-Own"] = []string{"1", "2"} }, []string{strings.Replace(get, " user", " x-own=1 x-own=2 user", 1)}},
		"what is HTTP/1's": {func(req *http.Request) {
			for _, k := range []string{"Host", "Content-Length", "Trailer", "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
				req.Header.Set(k, "x")
			}
		}, []string{get}},
		"POST of nothing":   {func(req *http.Request) { req.Method = "POST" }, []string{strings.Replace(post, "1", "1 end", 1) + " content-length=0"}},
		"PUT of nothing":    {func(req *http.Request) { req.Method, req.Body = "PUT", http.NoBody }, []string{strings.Replace(strings.Replace(post, "1", "1 end", 1), "POST", "PUT", 1) + " content-length=0"}},
		"DELETE of nothing": {func(req *http.Request) { req.Method = "DELETE" }, []string{strings.Replace(get, "GET", "DELETE", 1)}},
		"a body": {func(req *http.Request) { withBody(req, strings.NewReader("abc"), 3) },
			[]string{post + " content-length=3", `DATA 1 end "abc"`}},
		"a body of unknown length": {func(req *http.Request) { withBody(req, reading("abc"), 0) },
			[]string{post, `DATA 1 "abc"`, `DATA 1 end ""`}},
		"a body of a negative length": {func(req *http.Request) { withBody(req, reading("abc"), -7) },
			[]string{post, `DATA 1 "abc"`, `DATA 1 end ""`}},
		"an unknown body that is empty": {func(req *http.Request) { withBody(req, reading(""), -1) },
			[]string{post, `DATA 1 end ""`}},
		"a body that ends with its data": {func(req *http.Request) { withBody(req, iotest.DataErrReader(strings.NewReader("abc")), 3) },
			[]string{post + " content-length=3", `DATA 1 end "abc"`}},
		"trailers": {func(req *http.Request) {
			withBody(req, reading("abc"), -1)
			req.Trailer = http.Header{"X-B": {"1"}, "X-A": nil}
		}, []string{strings.Replace(post, " user", " trailer=X-A,X-B user", 1), `DATA 1 "abc"`, "HEADERS 1 end x-b=1"}},
		"trailers and no body": {func(req *http.Request) { req.Trailer = http.Header{"X-A": {"1"}} },
			[]string{strings.Replace(strings.Replace(get, " end", "", 1), " user", " trailer=X-A user", 1), "HEADERS 1 end x-a=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			onClient(t, &Client{}, func(r *rig) {
				req := r.request("GET", "http://x/", nil)
				x.change(req)
				task := r.ask(req)
				r.wants(x.want...)
				r.headers(1, true, ":status=204")
				r.send()
				resp, err := r.result(task)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != 204 || resp.Status != "204 No Content" || resp.Proto != "HTTP/2.0" || resp.ProtoMajor != 2 || resp.Request != req {
					t.Error(resp)
				}
			})
		})
	}
	onClient(t, &Client{UserAgent: "own"}, func(r *rig) {
		task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
			resp, err := r.client.Do(r.request("GET", "http://x/", nil), Call{Context: ctx, Gzip: true})
			return answer{resp, err}, nil
		})
		r.wants(strings.Replace(get, "asyncio-go/2", "own accept-encoding=gzip", 1))
		task.Cancel()
		r.wants("RST_STREAM 1 CANCEL")
	})
}

func withBody(req *http.Request, r io.Reader, length int64) {
	req.Method, req.Body, req.ContentLength = "POST", io.NopCloser(r), length
}

// A closing is a body that knows whether it was closed.
type closing struct {
	io.Reader
	closed int
	err    error
}

func (c *closing) Close() error { c.closed++; return c.err }

func TestRequestsThatCannotBeSentAreNotBegun(t *testing.T) {
	for want, change := range map[string]func(req *http.Request){
		"without a URL":                           func(req *http.Request) { req.URL = nil },
		"without a Header":                        func(req *http.Request) { req.Header = nil },
		`invalid host "a b"`:                      func(req *http.Request) { req.Host = "a b" },
		`host "x":`:                               func(req *http.Request) { req.Host = "xn--\u00e9" },
		`invalid method "A B"`:                    func(req *http.Request) { req.Method = "A B" },
		`invalid request path "y"`:                func(req *http.Request) { req.URL.Opaque = "y" },
		`invalid request path "*x"`:               func(req *http.Request) { req.URL.Opaque = "*x" },
		`invalid request path "/\n"`:              func(req *http.Request) { req.URL.Opaque = "/\n" },
		`invalid header field name "a b"`:         func(req *http.Request) { req.Header["a b"] = nil },
		`invalid value of header field "X-A"`:     func(req *http.Request) { req.Header["X-A"] = []string{"ok", "secret\n"} },
		`invalid value of header field "Accept"`:  func(req *http.Request) { req.Header["Accept"] = []string{"secret\n"} },
		`invalid trailer field name "a b"`:        func(req *http.Request) { req.Trailer = http.Header{"a b": nil} },
		`invalid value of trailer field "X-A"`:    func(req *http.Request) { req.Trailer = http.Header{"X-A": {"secret\n"}} },
		`"Content-Length" cannot be a trailer`:    func(req *http.Request) { req.Trailer = http.Header{"content-length": nil} },
		`"Trailer" cannot be a trailer`:           func(req *http.Request) { req.Trailer = http.Header{"Trailer": nil} },
		`"Transfer-Encoding" cannot be a trailer`: func(req *http.Request) { req.Trailer = http.Header{"Transfer-Encoding": nil} },
		"larger than the server takes":            func(req *http.Request) { req.Header.Set("X", strings.Repeat("v", 300)) },
	} {
		t.Run(want, func(t *testing.T) {
			onClient(t, &Client{}, func(r *rig) {
				b := &closing{Reader: strings.NewReader("x")}
				req := r.request("POST", "http://x/", b)
				change(req)
				resp, err := r.result(r.ask(req))
				if resp != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, %v", resp, err)
				}
				if b.closed != 1 {
					t.Errorf("the body was closed %d times", b.closed)
				}
				r.wants()
			}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 300})
		})
	}
}

func TestARequestsHeaderMayBeAsLargeAsTheServerTakes(t *testing.T) {
	size := uint32(0)
	for _, f := range [][2]string{{":method", "GET"}, {":authority", "x"}, {":scheme", "http"}, {":path", "/"}, {"user-agent", defaultUserAgent}} {
		size += uint32(len(f[0]) + len(f[1]) + 32)
	}
	for _, ok := range []bool{true, false} {
		limit := size
		if !ok {
			limit--
		}
		onClient(t, &Client{}, func(r *rig) {
			task := r.ask(r.request("GET", "http://x/", nil))
			if sent := strings.HasPrefix(r.take(), "HEADERS 1 end"); sent != ok || task.Done() == ok {
				t.Errorf("limit %d of %d: sent %v", limit, size, sent)
			}
			task.Cancel()
		}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: limit})
	}
}

func TestABodyThatCannotBeSentEndsItsStream(t *testing.T) {
	errBad := errors.New("it is bad")
	failingReader := func(n int) io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", n)), bad{errBad}) }
	for name, x := range map[string]struct {
		body   io.Reader
		length int64
		closed error
		want   string
	}{
		"at once":                 {failingReader(0), -1, nil, "it is bad"},
		"later":                   {failingReader(3), -1, nil, "it is bad"},
		"at its end":              {failingReader(3), 3, nil, "it is bad"},
		"more than was announced": {strings.NewReader("abcd"), 3, nil, "more than the 3 bytes"},
		"more, in the same read":  {reading("abcd"), 3, nil, "more than the 3 bytes"},
		"more, in another read":   {io.MultiReader(strings.NewReader("abc"), strings.NewReader("d")), 3, nil, "more than the 3 bytes"},
		"less than was announced": {strings.NewReader("ab"), 3, nil, "ended after 2 of the 3 bytes"},
		"it fails to close":       {strings.NewReader("abc"), 3, errBad, "it is bad"},
		"it fails, and to close":  {failingReader(1), 3, io.EOF, "it is bad"},
	} {
		for _, own := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				cl := &Client{}
				if own {
					cl.BodyError = func(err error) error { return &ownError{err} }
				}
				onClient(t, cl, func(r *rig) {
					var wrote error
					b := &closing{Reader: x.body, err: x.closed}
					if s, ok := x.body.(*strings.Reader); ok {
						_, _ = s.Seek(0, io.SeekStart)
					} else if own {
						t.Skip("its body is read")
					}
					req := r.request("POST", "http://x/", b)
					req.ContentLength = x.length
					task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
						resp, err := r.client.Do(req, Call{Context: ctx, Trace: &httptrace.ClientTrace{
							WroteRequest: func(i httptrace.WroteRequestInfo) { wrote = i.Err }}})
						return answer{resp, err}, nil
					})
					r.turns()
					_, err := r.result(task)
					var usual *RequestBodyError
					var its *ownError
					if err == nil || !strings.Contains(err.Error(), x.want) || own != errors.As(err, &its) || own == errors.As(err, &usual) || !errors.Is(wrote, err) {
						t.Errorf("%v, the trace was told %v", err, wrote)
					}
					if b.closed != 1 {
						t.Errorf("the body was closed %d times", b.closed)
					}
					if got := r.take(); !strings.HasSuffix(got, "RST_STREAM 1 CANCEL") && x.closed != errBad {
						t.Error(got)
					}
				})
			})
		}
	}
}

type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }

type bad struct{ err error }

func (b bad) Read([]byte) (int, error) { return 0, b.err }

// A body waits for 100 Continue, but not for ever, and not where the server has
// answered without it.
func TestABodyWaitsForContinue(t *testing.T) {
	const head = "HEADERS 1 :method=POST :authority=x :scheme=http :path=/ expect=100-continue user-agent=asyncio-go/2 content-length=3"
	expecting := func(r *rig) (*closing, *asyncio.Task[answer]) {
		b := &closing{Reader: strings.NewReader("abc")}
		req := r.request("POST", "http://x/", b)
		req.ContentLength = 3
		req.Header.Set("Expect", "100-continue")
		return b, r.ask(req)
	}
	for _, limit := range []time.Duration{0, 3 * time.Second} {
		real := limit
		if limit == 0 {
			real = defaultExpectTime
		}
		onClient(t, &Client{ExpectContinueTimeout: limit}, func(r *rig) {
			_, task := expecting(r)
			r.wants(head)
			r.after(real, `DATA 1 end "abc"`)
			r.headers(1, true, ":status=200")
			r.send()
			if _, err := r.result(task); err != nil {
				t.Error(err)
			}
		})
	}
	onClient(t, &Client{ExpectContinueTimeout: -1}, func(r *rig) {
		expecting(r)
		r.wants(head, `DATA 1 end "abc"`)
	})
	onClient(t, &Client{}, func(r *rig) {
		expecting(r)
		r.headers(1, false, ":status=103")
		r.send()
		r.wants(head)
		r.headers(1, false, ":status=100")
		r.headers(1, false, ":status=100")
		r.send()
		r.wants(`DATA 1 end "abc"`)
		r.pass(time.Hour)
		r.wants()
	})
	for _, whole := range []bool{true, false} {
		onClient(t, &Client{}, func(r *rig) {
			b, task := expecting(r)
			r.headers(1, whole, ":status=417")
			r.send()
			if resp, err := r.result(task); err != nil || resp.StatusCode != 417 {
				t.Fatal(resp, err)
			}
			if b.closed != 1 {
				t.Errorf("the body was closed %d times", b.closed)
			}
			if whole {
				r.wants(head, "RST_STREAM 1 CANCEL")
			} else {
				r.wants(head)
				_ = r.fr.WriteData(1, true, nil)
				r.send()
				resp, _ := r.result(task)
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Error(err)
				}
				r.wants("RST_STREAM 1 CANCEL")
			}
			r.pass(time.Hour)
			r.wants()
		})
	}
	onClient(t, &Client{}, func(r *rig) { // a request that is given up
		b, task := expecting(r)
		r.wants(head)
		task.Cancel()
		r.turns()
		if b.closed != 1 {
			t.Errorf("the body was closed %d times", b.closed)
		}
		r.wants("RST_STREAM 1 CANCEL")
		r.pass(time.Hour)
		r.wants()
	})
}

// A body that is long keeps to the windows, and a stream that ends takes it along.
func TestABodyKeepsToTheWindowsOfTheServer(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		b := &closing{Reader: strings.NewReader(strings.Repeat("x", 200))}
		req := r.request("POST", "http://x/", b)
		req.ContentLength = 200
		task := r.ask(req)
		if got := r.take(); !strings.HasSuffix(got, "\nDATA 1 (100)") {
			t.Error(got)
		}
		_ = r.fr.WriteWindowUpdate(1, 50)
		r.send()
		r.wants("DATA 1 (50)")
		r.headers(1, true, ":status=200")
		_ = r.fr.WriteRSTStream(1, http2.ErrCodeNo) // the response is whole, and the rest not wanted
		r.send()
		if resp, err := r.result(task); err != nil || resp.StatusCode != 200 {
			t.Error(resp, err)
		}
		if b.closed != 1 {
			t.Errorf("the body was closed %d times", b.closed)
		}
		r.wants()
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	// What is in memory goes with the header only where nothing has to wait.
	for n, want := range map[int]string{100: "DATA 1 end (100)", 101: "DATA 1 (100)"} {
		onClient(t, &Client{}, func(r *rig) {
			task := r.ask(r.request("POST", "http://x/", strings.NewReader(strings.Repeat("x", n))))
			if got := r.take(); !strings.HasSuffix(got, "\n"+want) {
				t.Error(got)
			}
			task.Cancel()
		}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	}
}
