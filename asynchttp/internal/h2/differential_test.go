package h2_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

// A script is an exchange: what the client sends, what the handler does, and
// when the client has enough.
type script struct {
	Method      string
	Body        int  // bytes; -1: no body
	Known       bool // its length is announced
	Piece       int  // how much of it is read at once
	Trailers    bool
	Expect      bool
	Cookies     int
	Early       int // responses of 1xx
	Read        int // how much the handler reads of the body; -1: all
	Status      int
	Header      string
	Writes      []int
	Flush       bool
	Announce    bool // the length
	OutTrailers int  // 1: announced, 2: not, 3: both
	Abort       bool
	Take        int // how much the client reads before it closes; -1: all
}

func genScript(t *rapid.T) script {
	return script{
		Method:      rapid.SampledFrom([]string{"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PURGE"}).Draw(t, "method"),
		Body:        rapid.SampledFrom([]int{-1, -1, 0, 1, 100, 5000, 70000, 300000}).Draw(t, "body"),
		Known:       rapid.Bool().Draw(t, "known"),
		Piece:       rapid.SampledFrom([]int{1000, 16384, 100000}).Draw(t, "piece"),
		Trailers:    rapid.Bool().Draw(t, "trailers"),
		Expect:      rapid.IntRange(0, 5).Draw(t, "expect") == 0,
		Cookies:     rapid.IntRange(0, 3).Draw(t, "cookies"),
		Early:       rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "early"),
		Read:        rapid.SampledFrom([]int{-1, -1, -1, 0, 10}).Draw(t, "read"),
		Status:      rapid.SampledFrom([]int{0, 200, 200, 201, 204, 304, 404, 500, 599}).Draw(t, "status"),
		Header:      rapid.SampledFrom([]string{"", "text/html", "application/x"}).Draw(t, "header"),
		Writes:      rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 100, 4096, 5000, 100000}), 0, 4).Draw(t, "writes"),
		Flush:       rapid.Bool().Draw(t, "flush"),
		Announce:    rapid.Bool().Draw(t, "announce"),
		OutTrailers: rapid.IntRange(0, 3).Draw(t, "outtrailers"),
		Abort:       rapid.IntRange(0, 8).Draw(t, "abort") == 0,
		Take:        rapid.SampledFrom([]int{-1, -1, -1, 0, 10, 5000}).Draw(t, "take"),
	}
}

// A stage is where handlers find their script, and leave what they saw.
type stage struct {
	sync.Mutex
	scripts map[string]script
	seen    map[string]chan string
	n       int
}

func newStage() *stage { return &stage{scripts: map[string]script{}, seen: map[string]chan string{}} }

func (s *stage) add(x script) (id string, seen chan string) {
	s.Lock()
	defer s.Unlock()
	s.n++
	id = strconv.Itoa(s.n)
	s.scripts[id] = x
	s.seen[id] = make(chan string, 1)
	return id, s.seen[id]
}

func (s *stage) get(id string) (script, chan string) {
	s.Lock()
	defer s.Unlock()
	return s.scripts[id], s.seen[id]
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Script")
	x, seen := s.get(id)
	r.Header.Del("X-Script")
	r.Header.Del("User-Agent")
	var saw string
	defer func() { seen <- saw }()
	for range x.Early {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	var body []byte
	var err error
	switch {
	case x.Read < 0:
		body, err = io.ReadAll(r.Body)
	case x.Read > 0:
		body, err = io.ReadAll(io.LimitReader(r.Body, int64(x.Read)))
	}
	saw = fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.URL, " ", r.Proto, " ", r.Header, " ", r.ContentLength, " ", sum(body), " ", code(err), " ", r.TransferEncoding, r.Close)
	if x.Read < 0 {
		saw += fmt.Sprint(" ", r.Trailer)
	}
	if x.Header != "" {
		w.Header().Set("Content-Type", x.Header)
		w.Header().Add("X-Twice", "1")
		w.Header().Add("X-Twice", "2")
	}
	total := 0
	for _, n := range x.Writes {
		total += n
	}
	if x.Announce {
		w.Header().Set("Content-Length", strconv.Itoa(total))
	}
	if x.OutTrailers&1 != 0 {
		w.Header().Set("Trailer", "X-Known")
	}
	if x.Status != 0 {
		w.WriteHeader(x.Status)
	}
	for i, n := range x.Writes {
		m, err := w.Write(bytes.Repeat([]byte{byte('a' + i)}, n))
		if x.Take < 0 && !x.Abort {
			saw += fmt.Sprint(" wrote ", m, code(err))
		}
		if x.Flush {
			w.(http.Flusher).Flush()
		}
	}
	if x.Abort {
		panic(http.ErrAbortHandler)
	}
	if x.OutTrailers&1 != 0 {
		w.Header().Set("X-Known", "k")
	}
	if x.OutTrailers&2 != 0 {
		w.Header().Set(http.TrailerPrefix+"X-Other", "o")
	}
}

// waitSeen waits for what a handler saw; if none was called, not for ever.
func waitSeen(c chan string) string {
	select {
	case s := <-c:
		return s
	case <-time.After(10 * time.Second):
		return "no handler"
	}
}

func sum(p []byte) string { return fmt.Sprintf("%d:%08x", len(p), crc32.ChecksumIEEE(p)) }

var codes = regexp.MustCompile(`[A-Z][A-Z0-9]*_[A-Z_]+`)

// code is what an error is to both sides of the comparison.
func code(err error) string {
	switch {
	case err == nil:
		return "ok"
	case err == io.ErrUnexpectedEOF || err == io.EOF:
		return err.Error()
	}
	if c := codes.FindString(err.Error()); c != "" {
		return c
	}
	return "error"
}

// pieces gives a body bit by bit.
type pieces struct {
	r io.Reader
	n int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// play does an exchange with a client, and says what the client and the handler
// saw of it.
func play(ctx context.Context, s *stage, x script, rt http.RoundTripper, url string, await func(chan string) string) string {
	id, seen := s.add(x)
	var body io.Reader
	if x.Body >= 0 {
		body = &pieces{bytes.NewReader(bytes.Repeat([]byte("x"), x.Body)), x.Piece}
	}
	early := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 && h.Get("Link") == "</x>" {
			early++
		}
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, x.Method, url+"/path%20x?q=%20", body)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-Script", id)
	if x.Known && x.Body >= 0 {
		req.ContentLength = int64(x.Body)
	}
	if x.Trailers && x.Body > 0 {
		req.Trailer = http.Header{"X-T": {"t"}, "X-U": nil}
	}
	if x.Expect {
		req.Header.Set("Expect", "100-continue")
	}
	for i := range x.Cookies {
		req.Header.Add("Cookie", fmt.Sprintf("a%d=%d; b=c", i, i))
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		await(seen)
		return "failed: " + code(err)
	}
	var got []byte
	if x.Take < 0 {
		got, err = io.ReadAll(resp.Body)
	} else {
		got, err = io.ReadAll(io.LimitReader(resp.Body, int64(x.Take)))
	}
	resp.Body.Close()
	if resp.Header.Get("Date") != "" {
		resp.Header.Set("Date", "now")
	}
	saw := fmt.Sprint(resp.StatusCode, " ", resp.Status, " ", resp.Proto, " ", resp.ContentLength, " ", resp.Header, " ", early)
	switch {
	case x.Abort: // how much of it comes is a question of time
		if x.Take < 0 {
			saw += " " + code(err)
		}
	default:
		saw += " " + sum(got) + " " + code(err)
	}
	if x.Take < 0 {
		saw += fmt.Sprint(" ", resp.Trailer)
	}
	return saw + "\n" + await(seen)
}

// The differences to net/http that are known, and why:
//
//   - A handler that writes less than it announced: net/http ends the stream as
//     if it were whole, and leaves it to the client to find out; here it is
//     reset. The scripts announce what they write.
//   - net/http sends the Content-Length of a 204, which RFC 9110, 8.6 forbids.
//   - In answer to HEAD net/http refuses what is written after 4 KiB, and has sent
//     its header then.
//   - A handler that panics after the end of its response to HEAD was sent ends
//     net/http's connection, with a panic of its own.
//   - net/http's server gives the connection up when trailers come on a stream
//     that it has ended; here they are passed over.
//   - A response without a body of a status that has none, whose handler
//     writes: net/http counts bytes that it refuses.
//   - net/http takes more than is announced until the header is sent.
func comparable(x script) script {
	if x.Status == 204 || x.Status == 304 {
		x.Announce, x.Writes, x.OutTrailers = false, nil, 0
	}
	if x.Method == "HEAD" {
		x.Abort = false
		x.Writes, x.OutTrailers = x.Writes[:min(1, len(x.Writes))], 0
		if len(x.Writes) > 0 {
			x.Writes[0] = min(x.Writes[0], 4096)
		}
	}
	if x.Body <= 0 {
		x.Expect = false
	}
	if x.Read >= 0 || x.Abort || x.Take >= 0 {
		x.Trailers = false
	}
	return x
}

func TestServerDoesWhatNetHTTPDoes(t *testing.T) {
	s := newStage()
	theirs := "http://" + netServer(t, s)
	serving(t, s.ServeHTTP, func(ctx context.Context, addr string) error {
		return inThread(ctx, func(ctx context.Context) error {
			tr := plainH2()
			defer tr.CloseIdleConnections()
			rapid.Check(t, func(rt *rapid.T) {
				x := comparable(genScript(rt))
				want := play(ctx, s, x, tr, theirs, waitSeen)
				got := play(ctx, s, x, tr, "http://"+addr, waitSeen)
				if got != want {
					rt.Errorf("%+v\ngot  %s\nwant %s", x, got, want)
				}
			})
			return nil
		})
	})
}

func TestClientDoesWhatNetHTTPDoes(t *testing.T) {
	s := newStage()
	addr := netServer(t, s)
	run(t, func(ctx context.Context) error {
		l, _ := asyncio.RunningLoop(ctx)
		// net/http's server does not always say 100 Continue.
		cl := h2.Client{ExpectContinueTimeout: 10 * time.Millisecond}
		c, err := dial(ctx, &cl, addr)
		if err != nil {
			return err
		}
		err = inThread(ctx, func(job context.Context) error {
			tr := plainH2()
			defer tr.CloseIdleConnections()
			rapid.Check(t, func(rt *rapid.T) {
				x := comparable(genScript(rt))
				want := play(job, s, x, tr, "http://"+addr, waitSeen)
				got, err := asyncio.RunCoroutineThreadsafe(job, l, func(ctx context.Context) (string, error) {
					return play(ctx, s, x, c, "http://"+addr, func(c chan string) string {
						v, _ := asyncio.ToThread(ctx, func(context.Context) (string, error) { return waitSeen(c), nil })
						return v
					}), nil
				})
				if err != nil {
					rt.Fatal(err)
				}
				if got != want {
					rt.Errorf("%+v\ngot  %s\nwant %s", x, got, want)
				}
			})
			return nil
		})
		c.Close(h2.ErrClosed)
		if e := c.WaitClosed(ctx); err == nil {
			err = e
		}
		return err
	})
}
