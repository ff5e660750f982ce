package asynchttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// An anyReset is an exchange whose stream is reset: in some state, by one side, with
// some code; and what the peer under no law, which the test is, sends on it then.
type anyReset struct {
	State string
	Peer  bool // the test resets it; else the side that is tested
	Code  http2.ErrCode
	After []string
}

// sends reports whether frames of one of these kinds follow.
func (x anyReset) sends(kinds ...string) bool {
	return slices.ContainsFunc(x.After, func(k string) bool { return slices.Contains(kinds, k) })
}

// A resetOutcome is what both sides have seen of an anyReset.
type resetOutcome struct {
	Saw    string   // the handler, or whoever has sent the request
	Resets []string // that the side that is tested has sent
	End    string   // of the connection
}

// A knownReset is a difference to net/http that has its reason. It makes of net/http's
// outcome what is wanted here.
type knownReset struct {
	why  string
	here func(x anyReset, theirs *resetOutcome)
	n    int
}

// compareResets compares two outcomes, but for what is known.
func compareResets(t *rapid.T, known []*knownReset, x anyReset, theirs, ours resetOutcome) {
	if reflect.DeepEqual(theirs, ours) {
		return
	}
	want := theirs
	for _, k := range known {
		before := want
		before.Resets = slices.Clone(before.Resets)
		if k.here(x, &want); !reflect.DeepEqual(before, want) {
			k.n++
		}
	}
	if fmt.Sprint(want) != fmt.Sprint(ours) {
		t.Errorf("%+v\n net/http:  %+v\n wanted:    %+v\n asynchttp: %+v", x, theirs, want, ours)
	}
}

func logKnown(t *testing.T, known []*knownReset) {
	for _, k := range known {
		t.Logf("%d times: %s", k.n, k.why)
	}
}

// without returns the resets but those with a code.
func without(resets []string, code http2.ErrCode) []string {
	return slices.DeleteFunc(slices.Clone(resets), func(s string) bool { return s == code.String() })
}

var resetCodes = []http2.ErrCode{
	http2.ErrCodeNo, http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeFlowControl, http2.ErrCodeSettingsTimeout,
	http2.ErrCodeStreamClosed, http2.ErrCodeFrameSize, http2.ErrCodeRefusedStream, http2.ErrCodeCancel, http2.ErrCodeCompression,
	http2.ErrCodeConnect, http2.ErrCodeEnhanceYourCalm, http2.ErrCodeInadequateSecurity, http2.ErrCodeHTTP11Required, 0x99,
}

func genReset(t *rapid.T, states []string, only string) anyReset {
	x := anyReset{State: rapid.SampledFrom(states).Draw(t, "state")}
	x.Peer = rapid.Bool().Draw(t, "peer") || strings.HasPrefix(x.State, only)
	if x.Peer {
		x.Code = rapid.SampledFrom(resetCodes).Draw(t, "code")
	}
	x.After = rapid.SliceOfN(rapid.SampledFrom([]string{"data", "end", "headers", "trailers", "window", "reset", "priority", "ping"}), 0, 3).Draw(t, "after")
	return x
}

// A frames is the test's end of a connection: it sends what it likes.
type frames struct {
	net.Conn
	fr   *http2.Framer
	out  bytes.Buffer
	enc  *hpack.Encoder
	head bytes.Buffer
}

func newFrames(c net.Conn) *frames {
	f := &frames{Conn: c}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	f.fr = http2.NewFramer(&f.out, c)
	f.fr.AllowIllegalWrites = true
	f.enc = hpack.NewEncoder(&f.head)
	return f
}

func (f *frames) headers(id uint32, end bool, fields ...string) {
	f.head.Reset()
	for _, x := range fields {
		name, value, _ := strings.Cut(x, "=")
		_ = f.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	_ = f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head.Bytes(), EndStream: end, EndHeaders: true})
}

func (f *frames) request(id uint32, method, path string, end bool) {
	f.headers(id, end, ":method="+method, ":scheme=http", ":authority=x", ":path="+path)
}

// after sends what follows a reset.
func (f *frames) after(id uint32, x anyReset) {
	for _, kind := range x.After {
		switch kind {
		case "data", "end":
			_ = f.fr.WriteData(id, kind == "end", []byte("data"))
		case "headers":
			f.headers(id, false, "x-more=1")
		case "trailers":
			f.headers(id, true, "x-more=1")
		case "window":
			_ = f.fr.WriteWindowUpdate(id, 10)
		case "reset":
			_ = f.fr.WriteRSTStream(id, http2.ErrCodeCancel)
		case "priority":
			_ = f.fr.WritePriority(id, http2.PriorityParam{StreamDep: id + 2})
		case "ping":
			_ = f.fr.WritePing(false, [8]byte{1})
		}
	}
}

func (f *frames) send() {
	_, _ = f.Conn.Write(f.out.Bytes()) // who has given up is seen by reading
	f.out.Reset()
}

// until reads frames until one is wanted, and returns how the connection has ended
// if that came first.
func (f *frames) until(wanted func(http2.Frame) bool) (end string) {
	for {
		frame, err := f.fr.ReadFrame()
		if err != nil {
			return "gone"
		}
		switch x := frame.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() {
				_ = f.fr.WriteSettingsAck()
				f.send()
			}
		case *http2.GoAwayFrame:
			return "GOAWAY " + x.ErrCode.String()
		}
		if wanted(frame) {
			return ""
		}
	}
}

// ends is wanted where a stream is to end, whole or by a reset, which it notes.
func ends(id uint32, resets *[]string) func(http2.Frame) bool {
	return func(f http2.Frame) bool {
		if f.Header().StreamID != id {
			return false
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			return f.StreamEnded()
		case *http2.DataFrame:
			return f.StreamEnded()
		case *http2.RSTStreamFrame:
			*resets = append(*resets, f.ErrCode.String())
			return true
		}
		return false
	}
}

// note is wanted by nobody: it notes the resets that pass by.
func note(id uint32, resets *[]string, wanted func(http2.Frame) bool) func(http2.Frame) bool {
	return func(f http2.Frame) bool {
		if r, ok := f.(*http2.RSTStreamFrame); ok && r.StreamID == id {
			*resets = append(*resets, r.ErrCode.String())
		}
		return wanted(f)
	}
}

var codeName = regexp.MustCompile(`[A-Z][A-Z0-9]*_[A-Z_0-9]+|CANCEL|unknown error code 0x[0-9a-f]+`)

// resetKind is what an error says of a reset, in words that both sides share.
func resetKind(err error) string {
	var s http2.StreamError
	switch {
	case err == nil || err == io.EOF:
		return "the end"
	case errors.As(err, &s):
		return s.Code.String()
	case errors.Is(err, context.Canceled), asyncio.IsCancelled(err):
		return "cancelled"
	case codeName.MatchString(err.Error()):
		return codeName.FindString(err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	}
	return "an error"
}

// serverStates are those of a stream whose request comes from the test: "only" ones are
// those in which a handler cannot reset it any more.
var serverStates = []string{
	"only idle", "waiting", "request body", "after the header", "response body", "both bodies", "only after both", "only after the response",
}

// A resetHandler brings a stream into a state, and says what it saw of the reset.
type resetHandler struct {
	mu    sync.Mutex
	x     anyReset
	here  chan struct{}
	ended chan string
}

func (h *resetHandler) set(x anyReset) (here chan struct{}, ended chan string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.x, h.here, h.ended = x, make(chan struct{}), make(chan string, 1)
	return h.here, h.ended
}

func (h *resetHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/reset" {
		return
	}
	h.mu.Lock()
	x, here, seen := h.x, h.here, h.ended
	h.mu.Unlock()
	saw := "returned"
	defer func() {
		if v := recover(); v != nil {
			saw = "gave up"
			defer panic(http.ErrAbortHandler)
		}
		seen <- saw
	}()
	if x.State == "request body" || x.State == "both bodies" {
		_, _ = io.ReadFull(r.Body, make([]byte, 1000))
	}
	switch x.State {
	case "after the header", "both bodies", "response body":
		w.WriteHeader(http.StatusOK)
		flush(w)
	}
	if x.State == "response body" {
		n := 300_000 // more than the window
		if !x.Peer {
			n = 10_000
		}
		close(here)
		_, err := w.Write(make([]byte, n))
		if saw = "wrote all"; err != nil {
			saw = "write: an error"
		}
	} else {
		close(here)
	}
	if !x.Peer {
		flush(w)
		panic(http.ErrAbortHandler)
	}
	switch x.State {
	case "request body", "both bodies":
		_, err := io.Copy(io.Discard, r.Body)
		saw = "body: " + resetKind(err)
	case "only after both", "only after the response":
		return
	}
	if ended(r.Context()) != nil {
		saw += ", its context has ended"
	}
}

// resetOnServer does an exchange with a server and says what came of it.
func resetOnServer(addr string, h *resetHandler, x anyReset) resetOutcome {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return resetOutcome{End: err.Error()}
	}
	defer c.Close()
	f := newFrames(c)
	f.out.WriteString(http2.ClientPreface)
	_ = f.fr.WriteSettings()
	f.request(1, "GET", "/warm", true)
	f.send()
	const id = 3
	var resets []string
	if end := f.until(ends(1, &resets)); end != "" {
		return resetOutcome{End: "at first: " + end}
	}
	here, seen := h.set(x)
	if x.State != "only idle" {
		body := x.State == "request body" || x.State == "both bodies" || x.State == "only after the response"
		method := "GET"
		if body {
			method = "POST"
		}
		f.request(id, method, "/reset", !body)
		if body {
			_ = f.fr.WriteData(id, false, make([]byte, 1500))
		}
		f.send()
		<-here
	}
	end := ""
	switch {
	case x.State == "only idle":
	case !x.Peer, strings.HasPrefix(x.State, "only"):
		end = f.until(ends(id, &resets))
	case x.State == "response body":
		left := 65535
		end = f.until(func(frame http2.Frame) bool {
			if d, ok := frame.(*http2.DataFrame); ok && d.StreamID == id {
				left -= len(d.Data())
			}
			return left == 0
		})
	}
	if end != "" {
		return resetOutcome{End: "before the reset: " + end}
	}
	if x.Peer {
		_ = f.fr.WriteRSTStream(id, x.Code)
	}
	f.after(id, x)
	_ = f.fr.WritePing(false, [8]byte{9})
	f.send()
	end = f.until(note(id, &resets, func(frame http2.Frame) bool {
		p, ok := frame.(*http2.PingFrame)
		return ok && p.IsAck() && p.Data[0] == 9
	}))
	if end == "" {
		f.request(id+2, "GET", "/warm", true)
		f.send()
		end = f.until(note(id, &resets, ends(id+2, new([]string))))
	}
	if end == "" {
		end = "goes on"
	}
	c.Close()
	saw := "nothing"
	if x.State != "only idle" {
		saw = <-seen
	}
	if strings.HasPrefix(end, "GOAWAY") {
		resets = nil // one that was on its way may be lost with the connection
	}
	return resetOutcome{saw, slices.Compact(resets), end}
}

// The differences of the server, and why.
func knownServerResets() []*knownReset {
	return []*knownReset{
		{why: "what comes on a stream that the server has reset was on its way then, and is passed over (RFC 9113, 5.4.2); net/http resets it again, or ends the connection",
			here: func(x anyReset, theirs *resetOutcome) {
				if !x.Peer {
					theirs.Resets = []string{http2.ErrCodeInternal.String()}
					if x.sends("headers", "trailers") {
						theirs.End = "goes on"
					}
				}
			}},
		{why: "HEADERS on a stream that the client has ended or reset are STREAM_CLOSED (RFC 9113, 5.1); net/http says PROTOCOL_ERROR",
			here: func(x anyReset, theirs *resetOutcome) {
				if x.Peer && x.State != "only idle" && x.sends("headers", "trailers") && theirs.End == "GOAWAY PROTOCOL_ERROR" {
					theirs.End = "GOAWAY STREAM_CLOSED"
				}
			}},
		{why: "after a response the rest of the request may come for half a second; net/http resets the stream at once",
			here: func(x anyReset, theirs *resetOutcome) {
				if x.State == "only after the response" {
					theirs.Resets = without(theirs.Resets, http2.ErrCodeNo)
					if !x.sends("data", "end") { // what it thinks of the client's own reset is a matter of time
						theirs.Resets = without(theirs.Resets, http2.ErrCodeStreamClosed)
					}
				}
			}},
	}
}

func TestAnyResetIsToAServerWhatItIsToNetHTTPs(t *testing.T) {
	known := knownServerResets()
	h := &resetHandler{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	theirs := &http.Server{Handler: h, Protocols: plainOnly, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = theirs.Serve(l)
	}()
	defer func() { _ = theirs.Close(); <-served }()
	run(t, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: h}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
			rapid.Check(t, func(rt *rapid.T) {
				x := genReset(rt, serverStates, "only")
				compareResets(rt, known, x, resetOnServer(l.Addr().String(), h, x), resetOnServer(addr.String(), h, x))
			})
			return struct{}{}, nil
		})
		return errors.Join(err, srv.Close())
	})
	logKnown(t, known)
}
