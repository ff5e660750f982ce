package h2

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// raw gathers a frame as it is given, whatever it says.
func (r *rig) raw(kind http2.FrameType, flags http2.Flags, id uint32, p []byte) {
	_ = r.fr.WriteRawFrame(kind, flags, id, p)
}

// What a client does against the rules ends the connection or the stream, as RFC
// 9113 says which, with the code that it names.
func TestMistakesOfAClientAreAnswered(t *testing.T) {
	for name, x := range map[string]struct {
		send func(r *rig)
		want []string
	}{
		"a header block with a PING inside": {func(r *rig) {
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("GET", nil)...), EndStream: true})
			_ = r.fr.WritePing(false, [8]byte{})
		}, []string{"GOAWAY 1 PROTOCOL_ERROR a header block was interrupted"}},
		"CONTINUATION of another stream": {func(r *rig) {
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("GET", nil)...), EndStream: true})
			_ = r.fr.WriteContinuation(3, true, nil)
		}, []string{"GOAWAY 1 PROTOCOL_ERROR a header block was interrupted"}},
		"CONTINUATION of nothing": {func(r *rig) { _ = r.fr.WriteContinuation(1, true, nil) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR CONTINUATION of nothing"}},
		"CONTINUATION after the end": {func(r *rig) { r.post(1); _ = r.fr.WriteContinuation(1, true, nil) },
			[]string{"GOAWAY 1 PROTOCOL_ERROR CONTINUATION of nothing"}},
		"DATA of the connection": {func(r *rig) { _ = r.fr.WriteData(0, false, nil) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR DATA on an idle stream"}},
		"DATA on an idle stream": {func(r *rig) { r.post(1); _ = r.fr.WriteData(3, false, nil) },
			[]string{"GOAWAY 1 PROTOCOL_ERROR DATA on an idle stream"}},
		"DATA on a stream of the server": {func(r *rig) { r.post(3); _ = r.fr.WriteData(2, false, nil) },
			[]string{"GOAWAY 3 PROTOCOL_ERROR DATA on an idle stream"}},
		"DATA that is all padding, and more": {func(r *rig) {
			r.post(1)
			r.raw(http2.FrameData, http2.FlagDataPadded, 1, []byte{2, 0})
		}, []string{"GOAWAY 1 PROTOCOL_ERROR more padding than DATA"}},
		"DATA without its padding's length": {func(r *rig) { r.post(1); r.raw(http2.FrameData, http2.FlagDataPadded, 1, nil) },
			[]string{"GOAWAY 1 PROTOCOL_ERROR more padding than DATA"}},
		"DATA after the end": {func(r *rig) { r.get(1); _ = r.fr.WriteData(1, false, []byte("x")) },
			[]string{"RST_STREAM 1 STREAM_CLOSED"}},
		"DATA on a stream that is closed": {func(r *rig) { r.get(1); r.send(); r.take(); _ = r.fr.WriteData(1, false, []byte("x")) },
			[]string{"RST_STREAM 1 STREAM_CLOSED"}},
		"RST_STREAM of an idle stream": {func(r *rig) { _ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR RST_STREAM of an idle stream"}},
		"RST_STREAM that is too short": {func(r *rig) { r.post(1); r.raw(http2.FrameRSTStream, 0, 1, make([]byte, 3)) },
			[]string{"GOAWAY 1 FRAME_SIZE_ERROR malformed RST_STREAM"}},
		"WINDOW_UPDATE of an idle stream": {func(r *rig) { _ = r.fr.WriteWindowUpdate(1, 1) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR WINDOW_UPDATE of an idle stream"}},
		"WINDOW_UPDATE by nothing": {func(r *rig) { r.post(1); r.raw(http2.FrameWindowUpdate, 0, 1, make([]byte, 4)) },
			[]string{refused}},
		"WINDOW_UPDATE of the connection by nothing": {func(r *rig) { r.raw(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR malformed WINDOW_UPDATE"}},
		"WINDOW_UPDATE beyond the largest window": {func(r *rig) { r.post(1); _ = r.fr.WriteWindowUpdate(1, maxWindow-defaultWindow+1) },
			[]string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
		"WINDOW_UPDATE of the connection beyond it": {func(r *rig) { _ = r.fr.WriteWindowUpdate(0, maxWindow-defaultWindow+1) },
			[]string{"GOAWAY 0 FLOW_CONTROL_ERROR the connection's window is too large"}},
		"WINDOW_UPDATE to the largest": {func(r *rig) {
			r.post(1)
			_ = r.fr.WriteWindowUpdate(0, maxWindow-defaultWindow)
			_ = r.fr.WriteWindowUpdate(1, maxWindow-defaultWindow)
		}, nil},
		"SETTINGS that make a window too large": {func(r *rig) {
			r.post(1)
			_ = r.fr.WriteWindowUpdate(1, maxWindow-defaultWindow)
			_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: defaultWindow + 1})
		}, []string{"GOAWAY 1 FLOW_CONTROL_ERROR SETTINGS make a window too large"}},
		"HEADERS with an even number": {func(r *rig) { r.get(2) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR a client's stream with an even number"}},
		"HEADERS of a lower number": {func(r *rig) { r.post(5); r.get(3) },
			[]string{"GOAWAY 5 STREAM_CLOSED HEADERS on a closed stream"}},
		"HEADERS after the end": {func(r *rig) { r.headers(1, true, requestOf("GET", nil)...); r.headers(1, true, "a=b") },
			[]string{"GOAWAY 1 STREAM_CLOSED HEADERS on a stream that the client has ended"}},
		"HEADERS that depend on themselves": {func(r *rig) {
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("GET", nil)...), EndStream: true, EndHeaders: true,
				Priority: http2.PriorityParam{StreamDep: 1, Weight: 1}})
		}, []string{refused}},
		"HEADERS that depend on others": {func(r *rig) {
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("POST", nil)...), EndHeaders: true,
				Priority: http2.PriorityParam{StreamDep: 3, Weight: 1}})
		}, nil},
		"PRIORITY that depends on itself": {func(r *rig) { r.post(1); _ = r.fr.WritePriority(1, http2.PriorityParam{StreamDep: 1}) },
			[]string{refused}},
		"PRIORITY": {func(r *rig) { _ = r.fr.WritePriority(1, http2.PriorityParam{StreamDep: 3}) }, nil},
		"PUSH_PROMISE": {func(r *rig) {
			_ = r.fr.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: r.block("a=b"), EndHeaders: true})
		}, []string{"GOAWAY 0 PROTOCOL_ERROR PUSH_PROMISE, which was not asked for"}},
		"SETTINGS of a stream": {func(r *rig) { r.raw(http2.FrameSettings, 0, 1, nil) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR malformed SETTINGS"}},
		"SETTINGS of five bytes": {func(r *rig) { r.raw(http2.FrameSettings, 0, 0, make([]byte, 5)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR malformed SETTINGS"}},
		"a window that is too large": {func(r *rig) {
			_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, []string{"GOAWAY 0 FLOW_CONTROL_ERROR malformed SETTINGS"}},
		"frames that are too small": {func(r *rig) {
			_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16383})
		}, []string{"GOAWAY 0 PROTOCOL_ERROR invalid setting [MAX_FRAME_SIZE = 16383]"}},
		"PING of seven bytes": {func(r *rig) { r.raw(http2.FramePing, 0, 0, make([]byte, 7)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR malformed PING"}},
		"GOAWAY that is too short": {func(r *rig) { r.raw(http2.FrameGoAway, 0, 0, make([]byte, 7)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR malformed GOAWAY"}},
		"HEADERS with more padding than there is": {func(r *rig) {
			r.raw(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, []byte{9, 1})
		},
			[]string{"GOAWAY 0 PROTOCOL_ERROR malformed HEADERS"}},
		"a frame that is too large": {func(r *rig) { r.raw(http2.FramePing, 0, 0, make([]byte, frameSize+1)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR frame too large"}},
		"an unknown frame of the largest size": {func(r *rig) { r.raw(0xbe, 0, 0, make([]byte, frameSize)) }, nil},
		"a block that is no HPACK": {func(r *rig) { r.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, []byte{0x80}) },
			[]string{"GOAWAY 1 COMPRESSION_ERROR decoding error: invalid indexed representation index 0"}},
		"a block that is cut": {func(r *rig) { r.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, []byte{0x40, 3, 'a'}) },
			[]string{"GOAWAY 1 COMPRESSION_ERROR decoding error: truncated headers"}},
		"trailers that do not end the request": {func(r *rig) { r.post(1); r.headers(1, false, "a=b") }, []string{refused}},
		"trailers with a pseudo-header":        {func(r *rig) { r.post(1); r.headers(1, true, ":path=/") }, []string{refused}},
		"trailers with a length":               {func(r *rig) { r.post(1); r.headers(1, true, "content-length=0") }, []string{refused}},
		"more than was announced": {func(r *rig) { r.post(1, "content-length=2"); _ = r.fr.WriteData(1, false, []byte("abc")) },
			[]string{refused}},
		"less than was announced": {func(r *rig) { r.post(1, "content-length=4"); _ = r.fr.WriteData(1, true, []byte("abc")) },
			[]string{refused}},
		"less than was announced, and trailers": {func(r *rig) { r.post(1, "content-length=1"); r.headers(1, true, "a=b") },
			[]string{refused}},
		"PING":                  {func(r *rig) { _ = r.fr.WritePing(false, [8]byte{1, 2}) }, []string{"PING 0102000000000000 ack"}},
		"an answer to no PING":  {func(r *rig) { _ = r.fr.WritePing(true, [8]byte{1, 2}) }, nil},
		"GOAWAY":                {func(r *rig) { _ = r.fr.WriteGoAway(0, http2.ErrCodeNo, nil) }, nil},
		"SETTINGS":              {func(r *rig) { _ = r.fr.WriteSettings(http2.Setting{ID: 99, Val: 1}) }, []string{"SETTINGS ack"}},
		"an answer to SETTINGS": {func(r *rig) { _ = r.fr.WriteSettingsAck() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })}
			onServer(t, srv, func(r *rig) {
				x.send(r)
				r.send()
				got := strings.Split(r.take(), "\n")
				got = slices.DeleteFunc(got, func(s string) bool { return s == "" || strings.HasPrefix(s, "HEADERS") })
				if strings.Join(got, "\n") != strings.Join(x.want, "\n") {
					t.Errorf("it sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(x.want, "\n"))
				}
				if gone := len(x.want) > 0 && strings.HasPrefix(x.want[0], "GOAWAY"); gone != (r.server.Err() != nil) || gone != r.w.ended {
					t.Errorf("the connection has ended: %v", r.server.Err())
				}
			})
		})
	}
}

func TestAConnectionBeginsWithItsPrefaceAndSettings(t *testing.T) {
	const greeting = "SETTINGS 3=250 4=262144 6=1048576\nWINDOW_UPDATE 0 +983041"
	for name, x := range map[string]struct {
		send func(r *rig)
		want string
	}{
		"whole":         {func(r *rig) { r.gathered.WriteString(http2.ClientPreface); _ = r.fr.WriteSettings() }, "SETTINGS ack"},
		"another":       {func(r *rig) { r.gathered.WriteString("GET / HTTP/1.1\r\n\r\n") }, "GOAWAY 0 PROTOCOL_ERROR not the preface of HTTP/2"},
		"another, late": {func(r *rig) { r.gathered.WriteString(http2.ClientPreface[:23] + "x") }, "GOAWAY 0 PROTOCOL_ERROR not the preface of HTTP/2"},
		"PING": {func(r *rig) { r.gathered.WriteString(http2.ClientPreface); _ = r.fr.WritePing(false, [8]byte{}) },
			"GOAWAY 0 PROTOCOL_ERROR the first frame is not SETTINGS"},
		"an answer to SETTINGS": {func(r *rig) { r.gathered.WriteString(http2.ClientPreface); _ = r.fr.WriteSettingsAck() },
			"GOAWAY 0 PROTOCOL_ERROR the first frame is not SETTINGS"},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprint(name, bytewise), func(t *testing.T) {
				onServerBefore(t, &Server{}, func(r *rig) {
					r.wants(greeting)
					x.send(r)
					if bytewise {
						all := bytes.Clone(r.gathered.Bytes())
						r.gathered.Reset()
						for _, b := range all {
							r.gathered.WriteByte(b)
							r.send()
						}
					}
					r.send()
					r.wants(x.want)
				})
			})
		}
	}
}

func TestTheGreetingSaysWhatTheServerTakes(t *testing.T) {
	for want, srv := range map[string]*Server{
		"SETTINGS 3=7 4=262144 6=1048576\nWINDOW_UPDATE 0 +983041":           {MaxConcurrentStreams: 7},
		"SETTINGS 3=250 4=1 6=2\nWINDOW_UPDATE 0 +1":                         {StreamWindow: 1, ConnWindow: defaultWindow + 1, MaxHeaderBytes: 2},
		"SETTINGS 3=250 4=262144 6=1048576":                                  {ConnWindow: 1},
		"SETTINGS 3=250 4=2147483647 6=1048576\nWINDOW_UPDATE 0 +2147418112": {StreamWindow: math.MaxInt, ConnWindow: math.MaxInt},
	} {
		onServerBefore(t, srv, func(r *rig) { r.wants(strings.Split(want, "\n")...) })
	}
}

// RFC 9113, 9.2.
func TestOldTLSIsNotEnough(t *testing.T) {
	for _, x := range []struct {
		state *tls.ConnectionState
		ok    bool
	}{
		{nil, true},
		{&tls.ConnectionState{Version: tls.VersionTLS13}, true},
		{&tls.ConnectionState{Version: tls.VersionTLS11, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, false},
		{&tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, true},
		{&tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_RSA_WITH_AES_128_CBC_SHA}, false},
	} {
		onServerBefore(t, &Server{}, func(r *rig) {
			r.gathered.WriteString(http2.ClientPreface)
			_ = r.fr.WriteSettings()
			r.send()
			if got := !strings.Contains(r.take(), "GOAWAY 0 INADEQUATE_SECURITY"); got != x.ok {
				t.Errorf("%+v: accepted: %v", x.state, got)
			}
		}, x.state)
	}
}

func TestWhatAClientMaySendEndsWithItsWindows(t *testing.T) {
	hold := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = asyncio.Sleep(r.Context(), time.Hour) })
	for name, x := range map[string]struct {
		srv  Server
		send func(r *rig)
		want []string
	}{
		"all of a stream's": {Server{StreamWindow: 100}, func(r *rig) { _ = r.fr.WriteData(1, false, make([]byte, 100)) }, nil},
		"more than a stream's": {Server{StreamWindow: 100}, func(r *rig) { _ = r.fr.WriteData(1, false, make([]byte, 101)) },
			[]string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
		"more, with the padding": {Server{StreamWindow: 100}, func(r *rig) { _ = r.fr.WriteDataPadded(1, false, make([]byte, 99), make([]byte, 1)) },
			[]string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
		"all of the connection's": {Server{StreamWindow: 1 << 20, ConnWindow: 1}, func(r *rig) { r.bytes(1, defaultWindow) }, nil},
		"more than the connection's": {Server{StreamWindow: 1 << 20, ConnWindow: 1}, func(r *rig) { r.bytes(1, defaultWindow+1) },
			[]string{"GOAWAY 1 FLOW_CONTROL_ERROR DATA beyond the connection's window"}},
		// What is not for anybody is given back, for the connection.
		"for a stream that is closed": {Server{ConnWindow: 1}, func(r *rig) {
			_ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel)
			r.bytes(1, defaultWindow/4+1)
		}, []string{"WINDOW_UPDATE 0 +16384", "RST_STREAM 1 STREAM_CLOSED"}},
		"padding": {Server{StreamWindow: 400}, func(r *rig) { _ = r.fr.WriteDataPadded(1, false, nil, make([]byte, 99)) },
			[]string{"WINDOW_UPDATE 1 +100"}},
		"padding of which there is none but its length": {Server{StreamWindow: 400}, func(r *rig) {
			for range 100 {
				_ = r.fr.WriteDataPadded(1, false, []byte("x"), []byte{})
			}
		}, []string{"WINDOW_UPDATE 1 +100"}},
	} {
		t.Run(name, func(t *testing.T) {
			x.srv.Handler = hold
			onServer(t, &x.srv, func(r *rig) {
				r.post(1)
				r.send()
				x.send(r)
				r.send()
				got := r.take()
				if len(x.want) > 0 && strings.HasPrefix(x.want[0], "GOAWAY") {
					got, _, _ = strings.Cut(got, "\n") // what comes behind it does not matter
				}
				if want := strings.Join(x.want, "\n"); got != want {
					t.Errorf("it sent\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}

// bytes gathers n bytes of DATA.
func (r *rig) bytes(id uint32, n int) {
	for n > 0 {
		k := min(n, frameSize)
		_ = r.fr.WriteData(id, false, make([]byte, k))
		n -= k
	}
}
