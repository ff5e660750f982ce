package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// sleeping is a handler that goes on until its request ends.
func sleeping(_ http.ResponseWriter, r *http.Request) { _ = asyncio.Sleep(r.Context(), 1000*time.Hour) }

const ok200 = " end :status=200 content-length=0 date=now"

func TestRequestsBeyondWhatTheServerTakesAreRefused(t *testing.T) {
	goOn := asyncio.NewEvent()
	stubborn := func(_ http.ResponseWriter, r *http.Request) { // it goes on without its stream
		for !goOn.IsSet() {
			_ = goOn.Wait(context.WithoutCancel(r.Context()))
		}
	}
	onServer(t, &Server{MaxConcurrentStreams: 2, Handler: http.HandlerFunc(sleeping)}, func(r *rig) {
		r.post(1)
		r.post(3)
		r.post(5)
		r.send()
		r.wants("RST_STREAM 5 REFUSED_STREAM")
		_ = r.fr.WriteData(5, true, []byte("on its way"))
		r.send()
		r.wants()
		_ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		r.post(7)
		r.send()
		r.wants()
	})
	onServer(t, &Server{MaxConcurrentStreams: 2, Handler: http.HandlerFunc(stubborn)}, func(r *rig) {
		*goOn = asyncio.Event{}
		for i := range uint32(5) { // four run, of which no stream is left
			r.post(2*i + 1)
			r.send()
			_ = r.fr.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			r.send()
		}
		r.wants("RST_STREAM 9 REFUSED_STREAM")
		goOn.Set()
		r.turns()
		r.get(11)
		r.send()
		r.wants("HEADERS 11" + ok200)
	})
	// The headers of all requests together are bounded too.
	onServer(t, &Server{MaxHeaderBytes: 1000, Handler: http.HandlerFunc(sleeping)}, func(r *rig) {
		for i := range uint32(5) {
			r.post(2*i+1, "x="+strings.Repeat("v", 790)) // not quite a thousand with the rest
		}
		r.send()
		r.wants("RST_STREAM 9 REFUSED_STREAM")
	})
}

func TestHeadersAreBounded(t *testing.T) {
	usual := 0
	for _, f := range requestOf("GET", nil) {
		usual += len(f) - 1 + 32
	}
	big := func(n int) string { return "x=" + strings.Repeat("v", n-1-32) }
	for name, x := range map[string]struct {
		fields []string
		want   string
	}{
		"as large as may be": {[]string{big(1000 - usual)}, "HEADERS 1" + ok200},
		"one byte more":      {[]string{big(1001 - usual)}, "HEADERS 1 end :status=431"},
		"twice as large":     {[]string{big(2000 - usual)}, "HEADERS 1 end :status=431"},
		"larger than that":   {[]string{big(2001 - usual)}, "GOAWAY 1 ENHANCE_YOUR_CALM header list too large"},
		"a larger field":     {[]string{big(2001 + 33)}, "GOAWAY 1 ENHANCE_YOUR_CALM"},
		"as many as may be":  {[]string{"a=", "b="}, "HEADERS 1" + ok200},
		"one more":           {[]string{"a=", "b=", "c="}, "HEADERS 1 end :status=431"},
		"twice as many":      {[]string{"a=", "b=", "c=", "d=", "e=", "f=", "g=", "h="}, "HEADERS 1 end :status=431"},
		"more than that":     {[]string{"a=", "b=", "c=", "d=", "e=", "f=", "g=", "h=", "i="}, "GOAWAY 1 ENHANCE_YOUR_CALM header list too large"},
	} {
		t.Run(name, func(t *testing.T) {
			onServer(t, &Server{MaxHeaderBytes: 1000, MaxHeaderFields: 6}, func(r *rig) {
				r.get(1, x.fields...)
				r.send()
				if got := strings.ReplaceAll(r.take(), "HEADERS 1 :status=431", "HEADERS 1 end :status=431"); !strings.HasPrefix(got, x.want) {
					t.Errorf("got %s, want %s", got, x.want)
				}
				if strings.Contains(x.want, "431") {
					r.saw()
					r.get(3)
					r.send()
					if got := r.take(); !strings.HasPrefix(got, "HEADERS 3 end :status=200") {
						t.Error("the next request got", got)
					}
				}
			})
		})
	}
	for pieces, want := range map[int]string{64: "HEADERS 1" + ok200, 65: "GOAWAY 1 ENHANCE_YOUR_CALM too many CONTINUATION frames"} {
		onServer(t, &Server{MaxHeaderBytes: 1000}, func(r *rig) {
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("GET", nil)...), EndStream: true})
			for i := range pieces - 1 {
				_ = r.fr.WriteContinuation(1, i == pieces-2, nil)
			}
			r.send()
			if got := r.take(); got != want {
				t.Errorf("%d pieces: %s, want %s", pieces, got, want)
			}
		})
	}
}

// After a block that was refused the tables of both sides still agree.
func TestTheTableFollowsBlocksThatNobodyWants(t *testing.T) {
	onServer(t, &Server{}, func(r *rig) {
		r.get(1, "connection=close", "x-known=1") // wrong before the field that is to be remembered
		r.send()
		r.wants(refused)
		r.server.Shutdown()
		r.post(3, "trailer=x-known,x-other")
		_ = r.fr.WritePing(true, [8]byte{7: 1})
		r.send()
		r.take()
		r.post(5, "x-known=2") // after the last GOAWAY
		_ = r.fr.WriteData(5, false, []byte("x"))
		r.headers(5, true, "x-known=3")
		r.headers(3, true, "x-known=1", "x-other=4")
		r.send()
		r.saw(`POST / host=x url=/ map[] len=-1 body="" trailer=map[X-Known:[1] X-Other:[4]]`)
		r.wants("HEADERS 3" + ok200)
	})
}

func TestABodyComesAsItWasSent(t *testing.T) {
	onServer(t, &Server{}, func(r *rig) {
		r.post(1, "content-length=6", "content-length=6", "trailer=x-t")
		r.send()
		for _, s := range []string{"a", "bc", "def"} {
			_ = r.fr.WriteData(1, false, []byte(s))
			r.send()
		}
		r.headers(1, true, "x-t=end", "x-unannounced=1")
		r.send()
		r.saw(`POST / host=x url=/ map[Content-Length:[6 6]] len=6 body="abcdef" trailer=map[X-T:[end]]`)
		r.wants("HEADERS 1" + ok200)
	})
	onServer(t, &Server{}, func(r *rig) {
		r.post(1, "content-length=3")
		_ = r.fr.WriteDataPadded(1, true, []byte("abc"), make([]byte, 255))
		r.post(3, "content-length=0")
		_ = r.fr.WriteData(3, true, nil)
		r.post(5, "content-length=0")
		r.headers(5, true, "x=1")
		r.send()
		r.saw(`POST / host=x url=/ map[Content-Length:[3]] len=3 body="abc"`,
			`POST / host=x url=/ map[Content-Length:[0]] len=0 body=""`,
			`POST / host=x url=/ map[Content-Length:[0]] len=0 body=""`)
	})
}

// Much data comes through, whatever the sizes of frames and reads, and the windows
// grow by what was read.
func TestWindowsGrowByWhatIsRead(t *testing.T) {
	var got strings.Builder
	srv := &Server{StreamWindow: 40, ConnWindow: defaultWindow, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, 7)
		for {
			n, err := r.Body.Read(p)
			got.Write(p[:n])
			if err != nil {
				return
			}
		}
	})}
	onServer(t, srv, func(r *rig) {
		r.post(1)
		want := ""
		left := 40
		for i := range 200 {
			s := strings.Repeat(string(rune('a'+i%26)), 1+i%13)
			if len(s) > left {
				t.Fatalf("the window is %d after %d bytes", left, len(want))
			}
			_ = r.fr.WriteData(1, false, []byte(s))
			r.send()
			want += s
			left -= len(s)
			for line := range strings.SplitSeq(r.take(), "\n") {
				n := 0
				if _, err := fmt.Sscanf(line, "WINDOW_UPDATE 1 +%d", &n); err == nil {
					left += n
				}
			}
		}
		_ = r.fr.WriteData(1, true, nil)
		r.send()
		if got.String() != want {
			t.Errorf("got %d bytes of %d", got.Len(), len(want))
		}
	})
}

// What a handler does not read is given back when it returns, and the client is
// told that the rest is not wanted.
func TestAHandlerNeedNotReadTheBody(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"it returns": func(http.ResponseWriter, *http.Request) {},
		"it closes it": func(_ http.ResponseWriter, r *http.Request) {
			r.Body.Close()
			r.Body.Close()
			if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun := asyncio.NewEvent()
			srv := &Server{ConnWindow: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = begun.Wait(r.Context())
				h(w, r)
			})}
			onServer(t, srv, func(r *rig) {
				r.post(1)
				r.bytes(1, 20000)
				r.send()
				r.wants()
				begun.Set()
				got := r.take()
				for _, want := range []string{"WINDOW_UPDATE 0 +20000", "HEADERS 1" + ok200, "RST_STREAM 1 NO_ERROR"} {
					if !strings.Contains(got, want) {
						t.Errorf("it sent\n%s\nwithout %s", got, want)
					}
				}
				r.bytes(1, 20000) // which was on its way
				r.send()
				r.wants("WINDOW_UPDATE 0 +16384")
			})
		})
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	goOn := asyncio.NewEvent()
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = goOn.Wait(r.Context())
		if r.URL.Path == "/late" {
			w.WriteHeader(202)
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})}
	for name, x := range map[string]struct {
		path, early string
		want        []string
	}{
		"while it waits":        {"/", "", []string{"HEADERS 1 :status=100"}},
		"not where it has come": {"/", "x", nil},
		"not after the answer":  {"/late", "", []string{"HEADERS 1 :status=202 date=now"}},
	} {
		t.Run(name, func(t *testing.T) {
			onServer(t, srv, func(r *rig) {
				*goOn = asyncio.Event{}
				r.headers(1, false, ":method=POST", ":scheme=http", ":authority=x", ":path="+x.path, "expect=100-continue")
				if x.early != "" {
					_ = r.fr.WriteData(1, true, []byte(x.early))
				}
				r.send()
				r.wants()
				goOn.Set()
				if x.early != "" {
					r.wants("HEADERS 1" + ok200)
					return
				}
				r.wants(x.want...)
				_ = r.fr.WriteData(1, false, []byte("a"))
				r.send()
				_ = r.fr.WriteData(1, true, []byte("b"))
				r.send()
				if got := r.take(); strings.Contains(got, "100") {
					t.Error("once more:", got)
				}
			})
		})
	}
}

// What is sent keeps to the windows and to the size of frames of the client.
func TestAnAnswerKeepsToTheWindowsOfTheClient(t *testing.T) {
	const n = 50000
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, n)) })}
	const head = "HEADERS 1 :status=200 content-type=application/octet-stream date=now"
	onServerBefore(t, srv, func(r *rig) {
		r.begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		r.get(1)
		r.send()
		r.wants(head, `DATA 1 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"`)
		_ = r.fr.WriteWindowUpdate(1, 90)
		r.send()
		r.wants("DATA 1 (90)")
		_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 60})
		r.send()
		r.wants("SETTINGS ack", "DATA 1 (50)")
		_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}) // now it is negative
		_ = r.fr.WriteWindowUpdate(1, 50)
		r.send()
		r.wants("SETTINGS ack")
		_ = r.fr.WriteWindowUpdate(1, 31)
		r.send()
		r.wants("DATA 1 (31)")
		_ = r.fr.WriteWindowUpdate(1, 40000)
		r.send()
		r.wants("DATA 1 (16384)", "DATA 1 (16384)", "DATA 1 (7232)")
		_ = r.fr.WriteWindowUpdate(1, 40000)
		r.send()
		r.wants("DATA 1 (9819)", `DATA 1 end ""`)
	})
	onServerBefore(t, srv, func(r *rig) { // the connection's window is another
		r.begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		r.get(1)
		r.get(3)
		r.send()
		r.wants(head, "DATA 1 (16384)", "DATA 1 (16384)", "DATA 1 (16384)", "DATA 1 (848)", `DATA 1 end ""`,
			strings.Replace(head, " 1 ", " 3 ", 1), "DATA 3 (15535)")
		_ = r.fr.WriteWindowUpdate(3, 5)
		r.send()
		r.wants()
		_ = r.fr.WriteWindowUpdate(0, 5)
		r.send()
		r.wants(`DATA 3 "\x00\x00\x00\x00\x00"`)
		_ = r.fr.WriteRSTStream(3, http2.ErrCodeCancel)
		_ = r.fr.WriteWindowUpdate(0, 100)
		r.send()
		r.wants()
	})
	onServerBefore(t, srv, func(r *rig) { // a large frame is allowed, and not needed
		r.begin(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
		r.get(1)
		r.send()
		if got := r.take(); !strings.Contains(got, "DATA 1 (16384)") {
			t.Error(got)
		}
	})
}

// A priority that the client changes counts for what waits already.
func TestAClientMayChangeItsPriorities(t *testing.T) {
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 20000)) })}
	for _, update := range []bool{false, true} {
		onServerBefore(t, srv, func(r *rig) {
			r.begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			r.get(1)
			r.get(3)
			r.get(5)
			r.get(7)
			r.send()
			r.take() // the windows are full: 7 has 5,535 bytes, the rest waits
			r.get(9)
			r.send()
			r.take()
			if update {
				r.raw(http2.FramePriorityUpdate, 0, 0, append([]byte{0, 0, 0, 9}, "i, u=0"...))
				r.raw(http2.FramePriorityUpdate, 0, 0, append([]byte{0, 0, 0, 99}, "u=0"...))
				r.raw(http2.FramePriorityUpdate, 0, 0, append([]byte{0, 0, 0, 7}, "u=8, u=, x"...))
			}
			r.send()
			_ = r.fr.WriteWindowUpdate(0, 100)
			r.send()
			got, want := r.take(), "DATA 7 (100)"
			if update {
				want = "DATA 9 (100)"
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
