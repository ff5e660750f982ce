package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
)

// A memWire is a connection whose other end is a test, which says what comes and
// sees what goes. Time is the loop's.
type memWire struct {
	loop    *asyncio.Loop
	in      []byte
	news    asyncio.Event
	eof     bool // nothing more comes
	late    bool // the deadline of reading is over
	timer   *asyncio.TimerHandle
	out     bytes.Buffer
	unsent  int // what the peer has not taken
	drained asyncio.Event
	limits  [2]int
	failing error // of Write and Drain
	ended   bool  // WriteEOF
	closed  bool
	aborted bool
	tls     *tls.ConnectionState
}

func (w *memWire) Read(p []byte) (int, error) {
	for {
		switch {
		case w.closed:
			return 0, net.ErrClosed
		case w.late:
			return 0, os.ErrDeadlineExceeded
		case len(w.in) > 0:
			n := copy(p, w.in)
			w.in = w.in[n:]
			return n, nil
		case w.eof:
			return 0, io.EOF
		}
		w.news.Clear()
		if err := wait(w.loop, &w.news); err != nil {
			return 0, err
		}
	}
}

func (w *memWire) Write(p []byte) (int, error) {
	if w.closed || w.ended {
		return 0, net.ErrClosed
	}
	if w.failing != nil {
		return 0, w.failing
	}
	return w.out.Write(p)
}

func (w *memWire) end()                                  { w.closed = true; w.news.Set(); w.drained.Set() }
func (w *memWire) Close() error                          { w.end(); return nil }
func (w *memWire) Abort()                                { w.aborted = true; w.end() }
func (w *memWire) Conn() net.Conn                        { return memConn{w: w} }
func (w *memWire) ConnectionState() *tls.ConnectionState { return w.tls }
func (w *memWire) LocalAddr() net.Addr                   { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }
func (w *memWire) RemoteAddr() net.Addr                  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 1234} }
func (w *memWire) SetWriteBufferLimits(low, high int)    { w.limits = [2]int{low, high} }
func (w *memWire) WaitClosed(context.Context) error      { return nil }
func (w *memWire) WriteBufferSize() int                  { return w.unsent }
func (w *memWire) WriteEOF() error                       { w.ended = true; return nil }

func (w *memWire) Drain(ctx context.Context) error {
	for w.unsent > 0 && !w.closed {
		w.drained.Clear()
		if err := w.drained.Wait(ctx); err != nil {
			return err
		}
	}
	if w.closed {
		return net.ErrClosed
	}
	return w.failing
}

type memConn struct {
	net.Conn
	w *memWire
}

func (c memConn) SetReadDeadline(t time.Time) error {
	w := c.w
	stop(&w.timer)
	if left := time.Until(t); left > 0 {
		w.late = false
		w.timer = w.loop.CallLater(left, func() { w.late = true; w.news.Set() })
	} else {
		w.late = true
		w.news.Set()
	}
	return nil
}

// A rig is a connection under test, whose peer the test is: it sends frames, good
// or bad, and looks what comes of them.
type rig struct {
	*testing.T
	ctx  context.Context
	loop *asyncio.Loop
	w    *memWire
	fr   *http2.Framer // adds to gathered
	enc  *hpack.Encoder
	dec  *hpack.Decoder

	gathered, head bytes.Buffer
	server         *ServerConn
	client         *ClientConn
	seen           []string // what handlers or requests noted
}

func newRig(t *testing.T, ctx context.Context) *rig {
	l, _ := asyncio.RunningLoop(ctx)
	r := &rig{T: t, ctx: ctx, loop: l, w: &memWire{loop: l}}
	r.fr = http2.NewFramer(&r.gathered, nil)
	r.fr.AllowIllegalWrites = true
	r.enc = hpack.NewEncoder(&r.head)
	r.dec = hpack.NewDecoder(tableSize, nil)
	return r
}

func onVirtualClock(t *testing.T, main func(ctx context.Context)) {
	t.Helper()
	if err := asyncio.Run(t.Context(), func(ctx context.Context) error { main(ctx); return nil }, asyncio.WithVirtualClock()); err != nil {
		t.Fatal(err)
	}
}

// onServer runs main with a connection of srv whose client it is. The preface and
// the first SETTINGS have gone both ways.
func onServer(t *testing.T, srv *Server, main func(r *rig)) {
	t.Helper()
	onServerBefore(t, srv, func(r *rig) {
		r.begin()
		main(r)
	})
}

// onServerBefore is onServer where nothing was sent yet.
func onServerBefore(t *testing.T, srv *Server, main func(r *rig), state ...*tls.ConnectionState) {
	t.Helper()
	onVirtualClock(t, func(ctx context.Context) {
		r := newRig(t, ctx)
		for _, s := range state {
			r.w.tls = s
		}
		if srv.Handler == nil {
			srv.Handler = http.HandlerFunc(r.noting)
		}
		c, err := srv.NewConn(ctx, r.w, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.server = c
		task := asyncio.Go(ctx, func(context.Context) error { c.Read(); c.End(); return nil })
		main(r)
		c.Close()
		if _, err := task.Await(ctx); err != nil {
			t.Error(err)
		}
		if c.c.running != 0 || len(c.c.streams) != 0 || c.c.held != 0 {
			t.Errorf("%d handlers, %d streams, and %d bytes of headers are left", c.c.running, len(c.c.streams), c.c.held)
		}
		r.noTimers()
	})
}

// begin makes a client's beginning and passes the greeting of the server over.
func (r *rig) begin(settings ...http2.Setting) {
	r.gathered.WriteString(http2.ClientPreface)
	r.fr.WriteSettings(settings...)
	r.send()
	r.take()
}

// noting is a handler that reads the whole request and says what it was.
func (r *rig) noting(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	s := fmt.Sprintf("%s %s host=%s url=%s %v len=%d body=%q", req.Method, req.RequestURI, req.Host, req.URL, req.Header, req.ContentLength, b)
	if len(req.Trailer) > 0 {
		s += fmt.Sprint(" trailer=", req.Trailer)
	}
	if err != nil {
		s += fmt.Sprint(" error=", err)
	}
	r.seen = append(r.seen, s)
}

// onClient runs main with a connection of cl whose server it is. The first
// SETTINGS have gone both ways.
func onClient(t *testing.T, cl *Client, main func(r *rig), settings ...http2.Setting) {
	t.Helper()
	onVirtualClock(t, func(ctx context.Context) {
		r := newRig(t, ctx)
		c, err := cl.NewConn(ctx, r.w)
		if err != nil {
			t.Fatal(err)
		}
		r.client = c
		r.fr.WriteSettings(settings...)
		r.send()
		r.take()
		main(r)
		c.Close(ErrClosed)
		if err := c.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if n := c.Requests(); n != 0 {
			t.Errorf("%d requests are left", n)
		}
		r.noTimers()
	})
}

// noTimers looks whether the connection has left a timer.
func (r *rig) noTimers() {
	r.Helper()
	stop(&r.w.timer)
	r.turns()
	if n := r.loop.Stats().Timers; n != 0 {
		r.Errorf("%d timers are left", n)
	}
}

// An answer is how a request has ended, when it has.
type answer struct {
	resp *http.Response
	err  error
}

// ask sends a request from a task of its own.
func (r *rig) ask(req *http.Request) *asyncio.Task[answer] {
	r.Helper()
	task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
		resp, err := r.client.Do(req, Call{Context: ctx})
		return answer{resp, err}, nil
	})
	r.turns()
	return task
}

func (r *rig) request(method, url string, body io.Reader) *http.Request {
	r.Helper()
	req, err := http.NewRequestWithContext(r.ctx, method, url, body)
	if err != nil {
		r.Fatal(err)
	}
	return req
}

// result returns how a request has ended.
func (r *rig) result(task *asyncio.Task[answer]) (*http.Response, error) {
	r.Helper()
	if !task.Done() {
		r.Fatal("the request has not ended")
	}
	a, _ := task.Await(r.ctx)
	return a.resp, a.err
}

// answered returns the response to a request, of whose body so much has come; last is
// when that is all.
func (r *rig) answered(body string, last bool) *http.Response {
	r.Helper()
	task := r.ask(r.request("GET", "http://x/", nil))
	r.headers(1, false, ":status=200")
	if body != "" {
		_ = r.fr.WriteData(1, last, []byte(body))
	}
	r.send()
	resp, err := r.result(task)
	if err != nil {
		r.Fatal(err)
	}
	return resp
}

// turns lets all run that can.
func (r *rig) turns() {
	r.Helper()
	for range 20 {
		if err := asyncio.Sleep(r.ctx, 0); err != nil {
			r.Fatal(err)
		}
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	r.Helper()
	if err := asyncio.Sleep(r.ctx, d); err != nil {
		r.Fatal(err)
	}
	r.turns()
}

// send sends what was gathered, and lets the connection take it.
func (r *rig) send() {
	r.Helper()
	r.w.in = append(r.w.in, r.gathered.Bytes()...)
	r.gathered.Reset()
	r.w.news.Set()
	r.turns()
}

// block encodes fields, "name=value" each.
func (r *rig) block(fields ...string) []byte {
	r.head.Reset()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		_ = r.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	return bytes.Clone(r.head.Bytes())
}

// headers gathers a whole header block.
func (r *rig) headers(id uint32, end bool, fields ...string) {
	_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(fields...), EndStream: end, EndHeaders: true})
}

// get and post gather the headers of usual requests.
func (r *rig) get(id uint32, fields ...string) { r.headers(id, true, requestOf("GET", fields)...) }
func (r *rig) post(id uint32, fields ...string) {
	r.headers(id, false, requestOf("POST", fields)...)
}

func requestOf(method string, fields []string) []string {
	return append([]string{":method=" + method, ":scheme=http", ":authority=x", ":path=/"}, fields...)
}

// take returns what the connection has sent, a line for each frame.
func (r *rig) take() string {
	r.Helper()
	r.turns()
	b := bytes.TrimPrefix(r.w.out.Bytes(), []byte(http2.ClientPreface))
	fr := http2.NewFramer(nil, bytes.NewReader(b))
	fr.AllowIllegalReads = true
	fr.SetMaxReadFrameSize(1 << 24)
	var lines []string
	var block []byte
	var line string
	for {
		f, err := fr.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			r.Fatal(err)
		}
		whole := true
		switch f := f.(type) {
		case *http2.HeadersFrame:
			line = fmt.Sprint("HEADERS ", f.StreamID, end(f.StreamEnded()))
			block, whole = append([]byte(nil), f.HeaderBlockFragment()...), f.HeadersEnded()
		case *http2.ContinuationFrame:
			line += " +"
			block, whole = append(block, f.HeaderBlockFragment()...), f.HeadersEnded()
		case *http2.DataFrame:
			line = fmt.Sprint("DATA ", f.StreamID, end(f.StreamEnded()), " ", summary(f.Data()))
		case *http2.SettingsFrame:
			line = "SETTINGS"
			if f.IsAck() {
				line += " ack"
			}
			f.ForeachSetting(func(s http2.Setting) error { line += fmt.Sprintf(" %d=%d", s.ID, s.Val); return nil })
		case *http2.WindowUpdateFrame:
			line = fmt.Sprintf("WINDOW_UPDATE %d +%d", f.StreamID, f.Increment)
		case *http2.RSTStreamFrame:
			line = fmt.Sprintf("RST_STREAM %d %v", f.StreamID, f.ErrCode)
		case *http2.GoAwayFrame:
			line = strings.TrimSpace(fmt.Sprintf("GOAWAY %d %v %s", f.LastStreamID, f.ErrCode, f.DebugData()))
		case *http2.PingFrame:
			line = fmt.Sprintf("PING %x", f.Data)
			if f.IsAck() {
				line += " ack"
			}
		default:
			line = fmt.Sprint(f)
		}
		if !whole {
			continue
		}
		if block != nil {
			fields, err := r.dec.DecodeFull(block)
			if err != nil {
				r.Fatal(err)
			}
			for _, f := range fields {
				if f.Name == "date" {
					f.Value = "now"
				}
				line += " " + f.Name + "=" + f.Value
			}
			block = nil
		}
		lines = append(lines, line)
	}
	r.w.out.Reset()
	return strings.Join(lines, "\n")
}

func end(is bool) string {
	if is {
		return " end"
	}
	return ""
}

// summary is data that is short, or its length.
func summary(p []byte) string {
	if len(p) > 30 {
		return fmt.Sprintf("(%d)", len(p))
	}
	return fmt.Sprintf("%q", p)
}

// wants compares what the connection has sent with lines.
func (r *rig) wants(lines ...string) {
	r.Helper()
	if got, want := r.take(), strings.Join(lines, "\n"); got != want {
		r.Errorf("it sent\n%s\nwant\n%s", got, want)
	}
}

// saw compares what handlers noted with lines.
func (r *rig) saw(lines ...string) {
	r.Helper()
	r.turns()
	if got, want := strings.Join(r.seen, "\n"), strings.Join(lines, "\n"); got != want {
		r.Errorf("the handlers saw\n%s\nwant\n%s", got, want)
	}
	r.seen = nil
}
