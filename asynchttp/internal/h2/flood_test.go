package h2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

// An attacker sends frames without regard to what comes back.
type attacker struct {
	net.Conn
	out  bytes.Buffer
	fr   *http2.Framer
	enc  *hpack.Encoder
	head bytes.Buffer
	next uint32
	mean bool // it does not read
	end  chan string
}

func attack(ctx context.Context, addr string, mean bool, settings ...http2.Setting) (*attacker, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	a := &attacker{Conn: c, next: 1, mean: mean, end: make(chan string, 1)}
	a.fr = http2.NewFramer(&a.out, nil)
	a.fr.AllowIllegalWrites = true
	a.enc = hpack.NewEncoder(&a.head)
	a.out.WriteString(http2.ClientPreface)
	_ = a.fr.WriteSettings(settings...)
	if !mean {
		go a.read()
	}
	return a, nil
}

// read notes how the server ends the connection.
func (a *attacker) read() {
	fr := http2.NewFramer(nil, a.Conn)
	last := "nothing"
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			a.end <- last
			return
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			last = g.ErrCode.String()
		}
	}
}

func (a *attacker) block(method, path string, fields ...hpack.HeaderField) []byte {
	a.head.Reset()
	for _, f := range append([]hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: path}}, fields...) {
		_ = a.enc.WriteField(f)
	}
	return a.head.Bytes()
}

// open begins a request.
func (a *attacker) open(method, path string, end bool, fields ...hpack.HeaderField) uint32 {
	id := a.next
	a.next += 2
	_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: a.block(method, path, fields...), EndStream: end, EndHeaders: true})
	return id
}

// push sends what was gathered, and reports whether the connection takes it.
func (a *attacker) push(force bool) bool {
	if a.out.Len() < 32<<10 && !force {
		return true
	}
	_, err := a.Conn.Write(a.out.Bytes())
	a.out.Reset()
	return err == nil
}

// repeat does something very often, until the connection is gone.
func (a *attacker) repeat(n int, f func(i int)) {
	for i := range n {
		f(i)
		if !a.push(false) {
			return
		}
	}
	a.push(true)
}

// A flood is what an attacker does, and how it must end.
type flood struct {
	name     string
	settings []http2.Setting
	mean     bool
	run      func(a *attacker)
	want     string // the code of GOAWAY; empty: the connection may stay
}

const often = 300_000

var floods = []flood{
	{name: "rapid reset", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(int) { _ = a.fr.WriteRSTStream(a.open("GET", "/sleep", true), http2.ErrCodeCancel) })
	}},
	{name: "resets that the server is made to send", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(int) {
			id := a.open("POST", "/sleep", false)
			_ = a.fr.WriteWindowUpdate(id, 1<<31-1)
		})
	}},
	{name: "CONTINUATION", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block("GET", "/"), EndStream: true})
		p := bytes.Repeat([]byte{0x82}, 1000)
		a.repeat(often, func(int) { _ = a.fr.WriteContinuation(1, false, p) })
	}},
	{name: "empty CONTINUATION", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block("GET", "/"), EndStream: true})
		a.repeat(often, func(int) { _ = a.fr.WriteContinuation(1, false, nil) })
	}},
	{name: "SETTINGS", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(int) { _ = a.fr.WriteSettings() })
	}},
	{name: "SETTINGS, unread", mean: true, run: func(a *attacker) {
		a.repeat(often, func(int) { _ = a.fr.WriteSettings() })
	}},
	{name: "PING", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(int) { _ = a.fr.WritePing(false, [8]byte{1}) })
	}},
	{name: "PING, unread", mean: true, run: func(a *attacker) {
		a.repeat(often, func(int) { _ = a.fr.WritePing(false, [8]byte{1}) })
	}},
	{name: "empty DATA", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		id := a.open("POST", "/sleep", false)
		a.repeat(often, func(int) { _ = a.fr.WriteData(id, false, nil) })
	}},
	{name: "padded empty DATA", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		id := a.open("POST", "/sleep", false)
		a.repeat(often, func(int) { _ = a.fr.WriteDataPadded(id, false, nil, make([]byte, 10)) })
	}},
	{name: "PRIORITY", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(i int) { _ = a.fr.WritePriority(uint32(2*i+1), http2.PriorityParam{}) })
	}},
	{name: "unknown frames", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		a.repeat(often, func(i int) { _ = a.fr.WriteRawFrame(0xbe, 0, 0, nil) })
	}},
	{name: "WINDOW_UPDATE", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		id := a.open("GET", "/sleep", true)
		a.repeat(often, func(int) { _ = a.fr.WriteWindowUpdate(id, 1) })
	}},
	{name: "a window that opens by a byte", want: "ENHANCE_YOUR_CALM", settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, run: func(a *attacker) {
		id := a.open("GET", "/big", true)
		a.repeat(often, func(int) { _ = a.fr.WriteWindowUpdate(id, 1) })
	}},
	{name: "an hpack bomb", want: "ENHANCE_YOUR_CALM", run: func(a *attacker) {
		b := slices.Clone(a.block("GET", "/", hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 3900)}))
		for len(b) < 16000 {
			b = append(b, 0x80|62)
		}
		a.repeat(100, func(i int) {
			_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: b, EndStream: true, EndHeaders: true})
			b = bytes.Repeat([]byte{0x80 | 62}, 16000)
		})
	}},
	{name: "large headers that are held", run: func(a *attacker) {
		a.repeat(200, func(int) {
			a.open("POST", "/sleep", false, hpack.HeaderField{Name: "x-large", Value: strings.Repeat("v", 10000), Sensitive: true})
		})
	}},
	{name: "windows that stay closed", settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, run: func(a *attacker) {
		a.repeat(250, func(int) { a.open("GET", "/big", true) })
	}},
	{name: "HEAD, unread", mean: true, run: func(a *attacker) {
		a.repeat(often, func(int) { a.open("HEAD", "/", true) })
	}},
	{name: "large answers, unread", mean: true, settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}}, run: func(a *attacker) {
		_ = a.fr.WriteWindowUpdate(0, 1<<31-1-65535)
		a.repeat(200, func(int) { a.open("GET", "/big", true) })
	}},
	{name: "bodies that nobody reads", want: "FLOW_CONTROL_ERROR", run: func(a *attacker) {
		var ids []uint32
		for range 100 {
			ids = append(ids, a.open("POST", "/sleep", false))
		}
		p := make([]byte, 16<<10)
		a.repeat(1000, func(i int) { _ = a.fr.WriteData(ids[i%len(ids)], false, p) })
	}},
}

func TestFloodsAreBoundedAndOthersAreServed(t *testing.T) {
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			const enough = 3 * time.Second // it is some 20 ms, where nothing else is busy
			late := underFlood(t, f)
			for tries := 2; late > enough && tries > 0; tries-- { // something else was
				late = min(late, underFlood(t, f))
			}
			if late > enough {
				t.Errorf("the others waited for %v", late)
			}
		})
	}
}

// underFlood returns how long the slowest hundredth of the others have waited.
func underFlood(t *testing.T, f flood) (p99 time.Duration) {
	big := make([]byte, 1<<20)
	live := 0
	h := func(w http.ResponseWriter, r *http.Request) {
		live++
		defer func() { live-- }()
		switch r.URL.Path {
		case "/sleep":
			_ = asyncio.Sleep(r.Context(), time.Minute)
		case "/big":
			_, _ = w.Write(big)
		default:
			fmt.Fprint(w, "hello")
		}
	}
	run(t, func(ctx context.Context) error {
		s, err := listen(ctx, &h2.Server{Handler: http.HandlerFunc(h)})
		if err != nil {
			return err
		}
		before := heap()
		var over atomic.Bool
		var most uint64
		attacking := asyncio.Go(ctx, func(ctx context.Context) error {
			defer over.Store(true)
			return inThread(ctx, func(ctx context.Context) error {
				a, err := attack(ctx, s.addr, f.mean, f.settings...)
				if err != nil {
					return err
				}
				defer a.Close()
				if f.mean {
					_ = a.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				}
				f.run(a)
				most = heap()
				if f.want == "" {
					a.Close()
					if !f.mean {
						<-a.end
					}
					return nil
				}
				if got := <-a.end; got != f.want {
					t.Errorf("the connection ended with %s, want %s", got, f.want)
				}
				return nil
			})
		})
		var late []time.Duration
		var cl h2.Client
		err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 50 {
				g.Go(func(ctx context.Context) error {
					c, err := dial(ctx, &cl, s.addr)
					if err != nil {
						return err
					}
					defer c.Close(h2.ErrClosed)
					for range 5 {
						began := time.Now()
						if _, err := get(ctx, c, "http://"+s.addr); err != nil {
							return err
						}
						late = append(late, time.Since(began))
						if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := attacking.Await(ctx); err != nil {
			return err
		}
		slices.Sort(late)
		p99 = late[len(late)*99/100]
		t.Logf("p99 of the others %v, heap %+d KB", p99, (int64(most)-int64(before))/1024)
		if most > before+48<<20 {
			t.Errorf("the heap grew from %d to %d", before, most)
		}
		if err := s.close(ctx); err != nil {
			return err
		}
		if live != 0 {
			t.Errorf("%d handlers are left", live)
		}
		return nil
	})
	return p99
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestAClientIsNotFloodedEither(t *testing.T) {
	for name, frames := range map[string]func(fr *http2.Framer){
		"PING":     func(fr *http2.Framer) { _ = fr.WritePing(false, [8]byte{}) },
		"SETTINGS": func(fr *http2.Framer) { _ = fr.WriteSettings() },
		"1xx": func(fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x08, 3, '1', '0', '3'}, EndHeaders: true})
		},
		"CONTINUATION": func(fr *http2.Framer) { _ = fr.WriteContinuation(1, false, nil) },
		"empty DATA":   func(fr *http2.Framer) { _ = fr.WriteData(1, false, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				l, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
					var out bytes.Buffer
					fr := http2.NewFramer(&out, nil)
					_ = fr.WriteSettings()
					if name == "CONTINUATION" || name == "empty DATA" {
						_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: name == "empty DATA"})
					}
					if _, err := s.Read(make([]byte, 1000)); err != nil {
						return nil
					}
					for range often {
						frames(fr)
						if out.Len() > 32<<10 {
							if _, err := s.Write(out.Bytes()); err != nil {
								return nil
							}
							out.Reset()
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
				var cl h2.Client
				c, err := dial(ctx, &cl, l.Addr().String())
				if err != nil {
					return err
				}
				_, err = get(ctx, c, "http://"+l.Addr().String())
				var conn *h2.ConnError
				if name == "1xx" && !errors.Is(err, h2.ErrTooManyInformational) || name != "1xx" && (!errors.As(err, &conn) || conn.Code != http2.ErrCodeEnhanceYourCalm) {
					t.Error(err)
				}
				c.Close(io.EOF)
				if err := c.WaitClosed(ctx); err != nil {
					return err
				}
				l.Close()
				l.AbortClients()
				return l.WaitClosed(ctx)
			})
		})
	}
}
