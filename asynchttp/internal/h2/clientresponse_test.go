package h2

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

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// What a server does against the rules ends the connection or the stream, and who
// waits is told.
func TestMistakesOfAServerAreAnswered(t *testing.T) {
	for name, x := range map[string]struct {
		send func(r *rig)
		want string
	}{
		"no status":                  {func(r *rig) { r.headers(1, true) }, refused},
		"a status that is no number": {func(r *rig) { r.headers(1, true, ":status=2x0") }, refused},
		"a status of two digits":     {func(r *rig) { r.headers(1, true, ":status=99") }, refused},
		"a status of four digits":    {func(r *rig) { r.headers(1, true, ":status=1000") }, refused},
		"a status that is too small": {func(r *rig) { r.headers(1, true, ":status=099") }, refused},
		"a negative status":          {func(r *rig) { r.headers(1, true, ":status=-20") }, refused},
		"two statuses":               {func(r *rig) { r.headers(1, true, ":status=200", ":status=200") }, refused},
		"a request":                  {func(r *rig) { r.headers(1, true, ":status=200", ":path=/") }, refused},
		"a header of connections":    {func(r *rig) { r.headers(1, true, ":status=200", "connection=close") }, refused},
		"101":                        {func(r *rig) { r.headers(1, false, ":status=101") }, refused},
		"1xx that is the end":        {func(r *rig) { r.headers(1, true, ":status=103") }, refused},
		"DATA before HEADERS":        {func(r *rig) { _ = r.fr.WriteData(1, false, []byte("x")) }, refused},
		"DATA after 1xx":             {func(r *rig) { r.headers(1, false, ":status=103"); _ = r.fr.WriteData(1, false, []byte("x")) }, refused},
		"HEADERS of a later stream":  {func(r *rig) { r.headers(3, true, ":status=200") }, "GOAWAY 0 PROTOCOL_ERROR HEADERS on an idle stream"},
		"HEADERS of its own":         {func(r *rig) { r.headers(2, true, ":status=200") }, "GOAWAY 0 PROTOCOL_ERROR HEADERS on an idle stream"},
		"DATA of a later stream":     {func(r *rig) { _ = r.fr.WriteData(3, false, nil) }, "GOAWAY 0 PROTOCOL_ERROR DATA on an idle stream"},
		"a push": {func(r *rig) {
			_ = r.fr.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: r.block("a=b"), EndHeaders: true})
		}, "GOAWAY 0 PROTOCOL_ERROR PUSH_PROMISE, which was not asked for"},
		"frames that are too large":  {func(r *rig) { r.raw(http2.FrameData, 0, 1, make([]byte, frameSize+1)) }, "GOAWAY 0 FRAME_SIZE_ERROR frame too large"},
		"a header that is too large": {func(r *rig) { r.headers(1, true, ":status=200", "x="+strings.Repeat("v", 1000)) }, "RST_STREAM 1 CANCEL"},
		"too many fields": {func(r *rig) {
			r.headers(1, true, ":status=200", "a=", "b=", "c=", "d=", "e=")
		}, "RST_STREAM 1 CANCEL"},
		"eleven of 1xx and more": {func(r *rig) {
			for range maxInformational + 2 {
				r.headers(1, false, ":status=103")
			}
		}, "RST_STREAM 1 ENHANCE_YOUR_CALM"},
		"GOAWAY with an error": {func(r *rig) { _ = r.fr.WriteGoAway(0, http2.ErrCodeProtocol, []byte("no")) }, "GOAWAY 0 NO_ERROR"},
		"a reset":              {func(r *rig) { _ = r.fr.WriteRSTStream(1, http2.ErrCodeInternal) }, ""},
		"a reset of no error":  {func(r *rig) { _ = r.fr.WriteRSTStream(1, http2.ErrCodeNo) }, ""},
		"a refusal":            {func(r *rig) { _ = r.fr.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onClient(t, &Client{MaxHeaderBytes: 1000, MaxHeaderFields: 5}, func(r *rig) {
				b := &closing{Reader: r.never()}
				req := r.request("POST", "http://x/", b)
				req.ContentLength = 5
				task := r.ask(req)
				r.take()
				x.send(r)
				r.send()
				r.wants(strings.Split(x.want, "\n")...)
				_, err := r.result(task)
				if err == nil {
					t.Fatal("there is a response")
				}
				if b.closed != 1 {
					t.Errorf("the body was closed %d times", b.closed)
				}
				goAway := strings.HasPrefix(x.want, "GOAWAY")
				if goAway != (r.client.Err() != nil) || goAway == r.client.Usable() {
					t.Errorf("the connection has ended: %v", r.client.Err())
				}
				var stream *StreamError
				isStream := errors.As(err, &stream)
				switch name {
				case "a header that is too large", "too many fields":
					if !errors.Is(err, ErrHeaderTooLarge) {
						t.Error(err)
					}
				case "eleven of 1xx and more":
					if !errors.Is(err, ErrTooManyInformational) {
						t.Error(err)
					}
				case "a refusal", "GOAWAY with an error":
					if !errors.Is(err, ErrUnprocessed) {
						t.Error(err)
					}
				case "a reset", "a reset of no error":
					if !isStream || !stream.Remote || errors.Is(err, ErrUnprocessed) {
						t.Error(err)
					}
				default:
					if want := x.want == refused; want != isStream || want && (stream.Remote || stream.Reason == "" || stream.Code != http2.ErrCodeProtocol) {
						t.Error(err)
					}
				}
			})
		})
	}
}

// never is a body of which nothing comes until its request ends.
func (r *rig) never() io.Reader { return &waiting{r} }

type waiting struct{ r *rig }

func (w *waiting) Read([]byte) (int, error) {
	return 0, asyncio.Sleep(w.r.ctx, 1000*time.Hour)
}

func TestAResponseIsWhatTheServerSays(t *testing.T) {
	data := func(r *rig, end bool, s string) { _ = r.fr.WriteData(1, end, []byte(s)) }
	for name, x := range map[string]struct {
		method string
		send   func(r *rig)
		want   string
	}{
		"nothing":             {"GET", func(r *rig) { r.headers(1, true, ":status=200") }, `200 OK 0 map[] map[] "" <nil>`},
		"a body":              {"GET", func(r *rig) { r.headers(1, false, ":status=200", "a=b"); data(r, false, "x"); data(r, true, "yz") }, `200 OK -1 map[A:[b]] map[] "xyz" <nil>`},
		"a length":            {"GET", func(r *rig) { r.headers(1, false, ":status=404", "content-length=2"); data(r, true, "xy") }, `404 Not Found 2 map[Content-Length:[2]] map[] "xy" <nil>`},
		"an end of its own":   {"GET", func(r *rig) { r.headers(1, false, ":status=200"); data(r, false, "x"); data(r, true, "") }, `200 OK -1 map[] map[] "x" <nil>`},
		"a length of nothing": {"GET", func(r *rig) { r.headers(1, true, ":status=200", "content-length=0") }, `200 OK 0 map[Content-Length:[0]] map[] "" <nil>`},
		"less than announced": {"GET", func(r *rig) { r.headers(1, false, ":status=200", "content-length=3"); data(r, true, "xy") }, `200 OK 3 map[Content-Length:[3]] map[] "xy" unexpected EOF`},
		"a byte of nothing":   {"GET", func(r *rig) { r.headers(1, true, ":status=200", "content-length=1") }, `200 OK 1 map[Content-Length:[1]] map[] "" unexpected EOF`},
		"nothing of it":       {"GET", func(r *rig) { r.headers(1, true, ":status=200", "content-length=3") }, `200 OK 3 map[Content-Length:[3]] map[] "" unexpected EOF`},
		"less, and trailers": {"GET", func(r *rig) {
			r.headers(1, false, ":status=200", "content-length=3")
			data(r, false, "xy")
			r.headers(1, true, "t=1")
		}, `200 OK 3 map[Content-Length:[3]] map[] "xy" unexpected EOF`},
		"more than announced": {"GET", func(r *rig) {
			r.headers(1, false, ":status=200", "content-length=1")
			data(r, false, "x")
			data(r, true, "y")
		}, `200 OK 1 map[Content-Length:[1]] map[] "" asynchttp: HTTP/2 stream 1 was reset: PROTOCOL_ERROR: the body is not as long as its content-length`},
		"HEAD":             {"HEAD", func(r *rig) { r.headers(1, true, ":status=200", "content-length=3") }, `200 OK 3 map[Content-Length:[3]] map[] "" <nil>`},
		"HEAD without":     {"HEAD", func(r *rig) { r.headers(1, true, ":status=200") }, `200 OK -1 map[] map[] "" <nil>`},
		"HEAD with an end": {"HEAD", func(r *rig) { r.headers(1, false, ":status=200", "content-length=3"); data(r, true, "") }, `200 OK 3 map[Content-Length:[3]] map[] "" <nil>`},
		"HEAD with a body": {"HEAD", func(r *rig) { r.headers(1, false, ":status=200"); data(r, true, "x") }, `200 OK -1 map[] map[] "" asynchttp: HTTP/2 stream 1 was reset: PROTOCOL_ERROR: the body is not as long as its content-length`},
		"204":              {"GET", func(r *rig) { r.headers(1, true, ":status=204") }, `204 No Content 0 map[] map[] "" <nil>`},
		"304":              {"GET", func(r *rig) { r.headers(1, true, ":status=304", "content-length=9") }, `304 Not Modified 9 map[Content-Length:[9]] map[] "" <nil>`},
		"304 with a body":  {"GET", func(r *rig) { r.headers(1, false, ":status=304"); data(r, true, "x") }, `304 Not Modified -1 map[] map[] "" asynchttp: HTTP/2 stream 1 was reset: PROTOCOL_ERROR: the body is not as long as its content-length`},
		"trailers": {"GET", func(r *rig) {
			r.headers(1, false, ":status=200", "trailer=x-a, ,x-b")
			data(r, false, "x")
			r.headers(1, true, "x-a=1", "x-c=2")
		}, `200 OK -1 map[] map[X-A:[1] X-B:[] X-C:[2]] "x" <nil>`},
		"unannounced trailers": {"GET", func(r *rig) { r.headers(1, false, ":status=200"); r.headers(1, true, "x-a=1") }, `200 OK -1 map[] map[X-A:[1]] "" <nil>`},
		"trailers and no end":  {"GET", func(r *rig) { r.headers(1, false, ":status=200"); data(r, false, "x"); r.headers(1, false, "x-a=1") }, `200 OK -1 map[] map[] "" asynchttp: HTTP/2 stream 1 was reset: PROTOCOL_ERROR: trailers without the end of the stream`},
		"a reset": {"GET", func(r *rig) {
			r.headers(1, false, ":status=200")
			data(r, false, "x")
			_ = r.fr.WriteRSTStream(1, http2.ErrCodeInternal)
		}, `200 OK -1 map[] map[] "x" asynchttp: HTTP/2 stream 1 was reset by the peer: INTERNAL_ERROR`},
		"an odd status": {"GET", func(r *rig) { r.headers(1, true, ":status=999") }, `999  0 map[] map[] "" <nil>`},
	} {
		for _, copied := range []bool{false, true} {
			t.Run(fmt.Sprint(name, copied), func(t *testing.T) {
				onClient(t, &Client{}, func(r *rig) {
					task := r.ask(r.request(x.method, "http://x/", nil))
					x.send(r)
					r.send()
					resp, err := r.result(task)
					if err != nil {
						t.Fatal(err)
					}
					var got []byte
					if copied {
						var out bytes.Buffer
						_, err = io.Copy(&out, resp.Body)
						got = out.Bytes()
					} else {
						got, err = io.ReadAll(resp.Body)
					}
					if s := fmt.Sprintf("%s %d %v %v %q %v", resp.Status, resp.ContentLength, resp.Header, resp.Trailer, got, err); s != x.want {
						t.Errorf("got  %s\nwant %s", s, x.want)
					}
					r.headers(1, false, "late=1") // what still comes is passed over, or at worst an error
					if err := resp.Body.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// Frames of a request that was given up may still come.
func TestWhatComesForARequestThatWasGivenUpIsPassedOver(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		task := r.ask(r.request("GET", "http://x/", nil))
		r.take()
		task.Cancel()
		r.wants("RST_STREAM 1 CANCEL")
		r.headers(1, false, ":status=200", "x-known=1")
		_ = r.fr.WriteData(1, false, []byte("x"))
		_ = r.fr.WriteWindowUpdate(1, 1)
		r.headers(1, true, "x-t=1")
		_ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		r.send()
		r.wants()
		next := r.ask(r.request("GET", "http://x/", nil))
		r.headers(3, true, ":status=200", "x-known=1")
		r.send()
		if resp, err := r.result(next); err != nil || resp.Header.Get("X-Known") != "1" {
			t.Error(resp, err)
		}
	})
}

func TestHeadersAfterTheEndOfAResponseAreAnError(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		req := r.request("POST", "http://x/", r.never())
		req.ContentLength = 5
		r.ask(req)
		r.take()
		r.headers(1, false, ":status=200")
		r.headers(1, true, "x=1")
		r.send() // the response is whole, the request is not
		r.headers(1, true, "x=1")
		r.send()
		if got := r.take(); !strings.Contains(got, "GOAWAY 0 STREAM_CLOSED HEADERS on a stream that the server has ended") {
			t.Error(got)
		}
	})
}

func TestTheTraceIsToldOfResponsesInOrder(t *testing.T) {
	var seen []string
	stop := errors.New("enough")
	trace := &httptrace.ClientTrace{
		GotFirstResponseByte: func() { seen = append(seen, "first") },
		Got100Continue:       func() { seen = append(seen, "continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			seen = append(seen, fmt.Sprint(code, " ", h.Get("Link")))
			if h.Get("Link") == "stop" {
				return stop
			}
			return nil
		},
	}
	for want, send := range map[string]func(r *rig){
		"first": func(r *rig) { r.headers(1, true, ":status=200") },
		"first 103 a continue 100 ": func(r *rig) {
			r.headers(1, false, ":status=103", "link=a")
			r.headers(1, false, ":status=100")
			r.headers(1, true, ":status=200")
		},
		"first 103 stop": func(r *rig) { r.headers(1, false, ":status=103", "link=stop"); r.headers(1, false, ":status=103") },
	} {
		onClient(t, &Client{}, func(r *rig) {
			seen = nil
			task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
				resp, err := r.client.Do(r.request("GET", "http://x/", nil), Call{Context: ctx, Trace: trace})
				return answer{resp, err}, nil
			})
			r.turns()
			send(r)
			r.send()
			if got := strings.Join(seen, " "); got != want {
				t.Errorf("the trace was told %s, want %s", got, want)
			}
			if _, err := r.result(task); strings.HasSuffix(want, "stop") != errors.Is(err, stop) {
				t.Error(err)
			}
		})
	}
}

func TestTheHeaderOfAResponseMustComeInTime(t *testing.T) {
	onClient(t, &Client{ResponseHeaderTimeout: time.Minute}, func(r *rig) {
		task := r.ask(r.request("GET", "http://x/", nil))
		r.take()
		r.after(time.Minute, "RST_STREAM 1 CANCEL")
		if _, err := r.result(task); err != ErrHeaderTimeout {
			t.Error(err)
		}
		// The time begins with the end of the request.
		pr := &pausing{r: r, d: time.Hour}
		req := r.request("POST", "http://x/", pr)
		r.ask(req)
		r.take()
		r.pass(time.Hour)
		r.wants(`DATA 3 end ""`)
		r.after(time.Minute, "RST_STREAM 3 CANCEL")
		// A body may take longer.
		task = r.ask(r.request("GET", "http://x/", nil))
		r.headers(5, false, ":status=200")
		r.send()
		r.take()
		r.pass(time.Hour)
		r.wants()
		_ = r.fr.WriteData(5, true, []byte("late"))
		r.send()
		resp, err := r.result(task)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "late" || err != nil {
			t.Error(b, err)
		}
	})
}

// A pausing ends after a time.
type pausing struct {
	r *rig
	d time.Duration
}

func (p *pausing) Read([]byte) (int, error) {
	_ = asyncio.Sleep(p.r.ctx, p.d)
	return 0, io.EOF
}

func TestABodyThatIsClosedEarlyIsGivenUp(t *testing.T) {
	onClient(t, &Client{ConnWindow: 1}, func(r *rig) {
		task := r.ask(r.request("GET", "http://x/", nil))
		r.headers(1, false, ":status=200")
		r.bytes(1, 20000)
		r.send()
		r.take()
		resp, err := r.result(task)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		r.wants("RST_STREAM 1 CANCEL", "WINDOW_UPDATE 0 +20000")
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != ErrBodyClosed {
			t.Error(n, err)
		}
		if n, err := resp.Body.(io.WriterTo).WriteTo(io.Discard); n != 0 || err != ErrBodyClosed {
			t.Error(n, err)
		}
	})
	// One that has come whole needs no reset.
	onClient(t, &Client{}, func(r *rig) {
		task := r.ask(r.request("GET", "http://x/", nil))
		r.take()
		r.headers(1, false, ":status=200")
		_ = r.fr.WriteData(1, true, []byte("abc"))
		r.send()
		resp, err := r.result(task)
		if err != nil {
			t.Fatal(err)
		}
		_, err = asyncio.ToThread(r.ctx, func(context.Context) (int, error) { return 0, resp.Body.Close() }) // from anywhere
		if err != nil {
			t.Error(err)
		}
		r.turns()
		if _, err := resp.Body.Read(make([]byte, 1)); err != ErrBodyClosed {
			t.Error(err)
		}
		r.wants()
	})
}

// The end of a request's context ends it at any time, and is forgotten when all
// has been read.
func TestTheEndOfARequestsContextEndsIt(t *testing.T) {
	for _, stage := range []string{"before the header", "with the body", "after it has come", "after it was read"} {
		onClient(t, &Client{}, func(r *rig) {
			end, cancel := context.WithCancel(context.Background())
			defer cancel()
			task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
				resp, err := r.client.Do(r.request("GET", "http://x/", nil), Call{Context: ctx, End: end})
				return answer{resp, err}, nil
			})
			r.take()
			var resp *http.Response
			if stage != "before the header" {
				r.headers(1, false, ":status=200")
				_ = r.fr.WriteData(1, stage != "with the body", []byte("abc"))
				r.send()
				resp, _ = r.result(task)
			}
			if stage == "after it was read" {
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Error(err)
				}
			}
			cancel()
			// The news comes from another goroutine.
			until := func(what func() bool) {
				for !what() {
					if _, err := asyncio.ToThread(r.ctx, func(context.Context) (int, error) { return 0, nil }); err != nil {
						t.Fatal(err)
					}
				}
			}
			switch stage {
			case "before the header":
				until(task.Done)
				if _, err := r.result(task); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", stage, err)
				}
				r.wants("RST_STREAM 1 CANCEL")
			case "after it was read":
				for range 10 {
					until(func() bool { return true })
				}
				if _, err := resp.Body.Read(make([]byte, 10)); err != io.EOF {
					t.Errorf("%s: %v", stage, err)
				}
				r.wants()
			default:
				var err error
				until(func() bool { _, err = resp.Body.Read(nil); return err != nil })
				if n, err := resp.Body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %d, %v", stage, n, err)
				}
				if stage == "with the body" {
					r.wants("RST_STREAM 1 CANCEL")
				}
			}
		})
	}
}

// Writers that fail, or take less than they say, end the copy.
func TestACopyOfABodyEndsWithItsWriter(t *testing.T) {
	for name, w := range map[string]io.Writer{"short": shortWriter{}, "failing": failingWriter{}} {
		onClient(t, &Client{}, func(r *rig) {
			resp := r.answered("abcdef", true)
			n, err := resp.Body.(io.WriterTo).WriteTo(w)
			if want := map[string]error{"short": io.ErrShortWrite, "failing": io.ErrClosedPipe}[name]; n != 2 || err != want {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != "cdef" || err != nil {
				t.Errorf("%s: the rest is %q, %v", name, b, err)
			}
		})
	}
}

type shortWriter struct{}

func (shortWriter) Write([]byte) (int, error) { return 2, nil }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 2, io.ErrClosedPipe }

func TestErrorsSayWhoHasGivenUpAndWhy(t *testing.T) {
	for want, err := range map[string]error{
		"asynchttp: HTTP/2 stream 3 was reset by the peer: CANCEL":      &StreamError{StreamID: 3, Code: http2.ErrCodeCancel, Remote: true, Reason: "x"},
		"asynchttp: HTTP/2 stream 3 was reset: CANCEL":                  &StreamError{StreamID: 3, Code: http2.ErrCodeCancel},
		"asynchttp: HTTP/2 stream 3 was reset: CANCEL: x":               &StreamError{StreamID: 3, Code: http2.ErrCodeCancel, Reason: "x"},
		"asynchttp: HTTP/2: connection error: NO_ERROR":                 &ConnError{},
		"asynchttp: HTTP/2: connection error: NO_ERROR: x":              &ConnError{Reason: "x"},
		"asynchttp: HTTP/2: the peer has closed the connection: CANCEL": &ConnError{Remote: true, Code: http2.ErrCodeCancel},
		"asynchttp: request body: EOF":                                  &RequestBodyError{io.EOF},
	} {
		if err.Error() != want {
			t.Errorf("got %s, want %s", err, want)
		}
	}
	var conn http2.ConnectionError
	if !errors.As(error(&ConnError{Code: http2.ErrCodeCancel}), &conn) || http2.ErrCode(conn) != http2.ErrCodeCancel {
		t.Error("it is not the error of x/net/http2, too")
	}
	for remote, code := range map[bool]http2.ErrCode{true: http2.ErrCodeRefusedStream, false: http2.ErrCodeRefusedStream} {
		if errors.Is(&StreamError{Code: code, Remote: remote}, ErrUnprocessed) != remote {
			t.Error("a refusal by the peer is another than one of ours:", remote)
		}
	}
	if errors.Is(&StreamError{Code: http2.ErrCodeCancel, Remote: true}, ErrUnprocessed) {
		t.Error("a reset is taken for a refusal")
	}
}
