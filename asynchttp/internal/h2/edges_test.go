package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

func TestThePrefaceIsKnownFromItsFirstByte(t *testing.T) {
	for p, want := range map[string][2]bool{
		"":                             {true, true},
		"P":                            {true, true},
		"X":                            {false, false},
		"PRI * HTTP/1":                 {false, false},
		http2.ClientPreface[:23]:       {true, true},
		http2.ClientPreface[:23] + "x": {false, false},
		http2.ClientPreface:            {true, false},
		http2.ClientPreface + "more":   {true, false},
	} {
		if is, more := IsPreface([]byte(p)); is != want[0] || more != want[1] {
			t.Errorf("%q: %v, and more is needed: %v", p, is, more)
		}
	}
}

// Of the streams that were reset the last are known.
func TestTheOldestStreamIsForgottenFirst(t *testing.T) {
	var f forgotten
	for id := uint32(1); id <= 3*maxForgotten; id++ {
		f.add(id)
		for old := uint32(1); old <= id; old++ {
			if f.has(old) != (old+maxForgotten > id) {
				t.Fatalf("after %d: %d is known: %v", id, old, f.has(old))
			}
		}
		if f.has(id + 1) {
			t.Fatalf("%d is known", id+1)
		}
	}
}

func TestLimitsOfOneAreLimits(t *testing.T) {
	if l := (&Server{MaxHeaderBytes: 1, MaxHeaderFields: 1}).limits(); l != (blockLimits{1, 1}) {
		t.Errorf("the limits are %+v", l)
	}
	for _, fields := range [][]string{{":status=200"}, {":status=200", "a=b"}} {
		onClient(t, &Client{MaxHeaderFields: 1}, func(r *rig) {
			task := r.ask(r.request("GET", "http://x/", nil))
			r.headers(1, true, fields...)
			r.send()
			if _, err := r.result(task); (len(fields) > 1) != errors.Is(err, ErrHeaderTooLarge) {
				t.Errorf("%q: %v", fields, err)
			}
		})
	}
}

// A stream ends once, for the reason that came first.
func TestTheFirstEndOfAStreamCounts(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		r.ask(r.request("GET", "http://x/", nil))
		s := r.client.c.streams[1]
		s.fail(io.EOF)
		s.fail(io.ErrClosedPipe)
		if s.err != io.EOF || s.state != closed || s.body.err != io.EOF || s.send.err != io.EOF {
			t.Errorf("it ended with %v, its body with %v, in state %v", s.err, s.body.err, s.state)
		}
		if n, err := s.send.write([]byte("x"), false); n != 0 || err != io.EOF {
			t.Errorf("it takes %d bytes, %v", n, err)
		}
	})
}

// Ten responses of 1xx may come before a response, however slowly.
func TestOneByOneTenOf1xxMayCome(t *testing.T) {
	for _, n := range []int{maxInformational, maxInformational + 1} {
		onClient(t, &Client{}, func(r *rig) {
			task := r.ask(r.request("GET", "http://x/", nil))
			r.take()
			for range n {
				r.headers(1, false, ":status=103")
				r.send()
			}
			r.headers(1, true, ":status=200")
			r.send()
			if _, err := r.result(task); (n > maxInformational) != errors.Is(err, ErrTooManyInformational) {
				t.Errorf("after %d: %v", n, err)
			}
		})
	}
}

// A connection that is shut down stays so, whatever the server says then.
func TestTheReasonOfAShutdownStays(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		r.ask(r.request("GET", "http://x/", nil))
		r.client.Shutdown()
		_ = r.fr.WriteGoAway(1, http2.ErrCodeNo, nil)
		r.headers(1, true, ":status=200")
		r.send()
		if r.client.Err() != ErrClosed {
			t.Error(r.client.Err())
		}
	})
}

// The body that is closed says so, also when it was read to its end before.
func TestABodyThatWasReadIsClosed(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		resp := r.answered("abc", true)
		if b, err := io.ReadAll(resp.Body); string(b) != "abc" || err != nil {
			t.Error(b, err)
		}
		resp.Body.Close()
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != ErrBodyClosed {
			t.Error(n, err)
		}
	})
}

// A wait for more of a body that is cancelled is an error, and the body goes on.
func TestAReadMayBeCancelled(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		resp := r.answered("", false)
		for name, read := range map[string]func() (int64, error){
			"Read":    func() (int64, error) { n, err := resp.Body.Read(make([]byte, 9)); return int64(n), err },
			"WriteTo": func() (int64, error) { return resp.Body.(io.WriterTo).WriteTo(io.Discard) },
		} {
			var n int64
			var got error
			reader := asyncio.CreateTask(r.ctx, func(context.Context) (int, error) { n, got = read(); return 0, got })
			r.turns()
			if _, err := resp.Body.Read(make([]byte, 1)); err != ErrConcurrentRead {
				t.Errorf("%s: a second reader got %v", name, err)
			}
			reader.Cancel()
			r.turns()
			if n != 0 || !asyncio.IsCancelled(got) {
				t.Errorf("%s: %d, %v", name, n, got)
			}
		}
		_ = r.fr.WriteData(1, true, []byte("abc"))
		r.send()
		if b, err := io.ReadAll(resp.Body); string(b) != "abc" || err != nil {
			t.Error(b, err)
		}
	})
}

// What the peer asks for of the table of names holds for the next block.
func TestThePeerBoundsTheTable(t *testing.T) {
	for _, before := range []bool{true, false} {
		onClient(t, &Client{}, func(r *rig) {
			ask := func() string {
				req := r.request("GET", "http://x/", nil)
				req.Header.Set("X-Known", "value")
				r.ask(req)
				return r.take()
			}
			if !before {
				ask()
			}
			_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
			r.send()
			r.wants("SETTINGS ack")
			r.dec.SetAllowedMaxDynamicTableSize(0)
			r.dec.SetMaxDynamicTableSize(0)
			for range 2 {
				if got := ask(); !strings.Contains(got, "x-known=value") {
					t.Error(got)
				}
			}
		})
	}
}

// A large header goes out in pieces, and what it was encoded into is let go of.
func TestALargeHeaderGoesInPieces(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		req := r.request("GET", "http://x/", nil)
		req.Header.Set("X-Large", strings.Repeat("~", 3*frameSize)) // which Huffman's code makes longer
		r.ask(req)
		if got := r.take(); !strings.HasPrefix(got, "HEADERS 1 end + +") || !strings.Contains(got, "x-large=~~") {
			t.Errorf("%.80s", got)
		}
		if n := cap(r.client.c.out.block); n > frameSize {
			t.Errorf("%d bytes are kept", n)
		}
		r.ask(r.request("GET", "http://x/", nil))
		if got := r.take(); !strings.HasPrefix(got, "HEADERS 3 end :method=GET") {
			t.Error(got)
		}
	})
}

// A body whose turn was over before it began is closed all the same.
func TestABodyThatNeverBeganIsClosed(t *testing.T) {
	enough := errors.New("enough")
	onClient(t, &Client{}, func(r *rig) {
		b := &closing{Reader: strings.NewReader("a")}
		req := r.request("POST", "http://x/", b)
		req.ContentLength = 1
		req.Header.Set("Expect", "100-continue")
		task := asyncio.CreateTask(r.ctx, func(ctx context.Context) (answer, error) {
			resp, err := r.client.Do(req, Call{Context: ctx, Trace: &httptrace.ClientTrace{
				Got1xxResponse: func(int, textproto.MIMEHeader) error { return enough }}})
			return answer{resp, err}, nil
		})
		r.turns()
		if got := r.take(); strings.Contains(got, "DATA") {
			t.Errorf("a body of one byte does not wait: %s", got)
		}
		r.headers(1, false, ":status=100")
		r.send()
		if _, err := r.result(task); err != enough || b.closed != 1 {
			t.Errorf("%v; the body was closed %d times", err, b.closed)
		}
		r.wants("RST_STREAM 1 CANCEL")
	})
}

// A handler that closes the body gives back what has come of it at once.
func TestABodyThatIsClosedIsGivenBack(t *testing.T) {
	srv := &Server{ConnWindow: 1, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = asyncio.Sleep(r.Context(), time.Second)
		r.Body.Close()
		_ = asyncio.Sleep(r.Context(), time.Hour)
	})}
	onServer(t, srv, func(r *rig) {
		r.post(1)
		r.bytes(1, 20000)
		r.send()
		r.wants()
		r.pass(time.Second)
		r.wants("WINDOW_UPDATE 0 +20000")
	})
}

// A writer whose turn has not come may be cancelled, and one that is cancelled lets
// the next one write.
func TestWritersTakeTurns(t *testing.T) {
	var tasks []*asyncio.Task[int]
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		s := w.(*serverResponse).s
		for _, text := range []string{"first", "second", "third"} {
			tasks = append(tasks, asyncio.CreateTask(r.Context(), func(context.Context) (int, error) { return s.send.write([]byte(text), false) }))
		}
		_ = asyncio.Sleep(r.Context(), time.Hour)
	})}
	onServerBefore(t, srv, func(r *rig) {
		r.begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		r.get(1)
		r.send()
		r.wants("HEADERS 1 :status=200 date=now")
		tasks[1].Cancel()
		r.turns()
		if n, err := tasks[1].Await(r.ctx); n != 0 || !asyncio.IsCancelled(err) {
			t.Errorf("the second wrote %d bytes, %v", n, err)
		}
		tasks[0].Cancel()
		r.turns()
		_ = r.fr.WriteWindowUpdate(1, 3)
		r.send()
		r.wants(`DATA 1 "thi"`)
		_ = r.fr.WriteWindowUpdate(1, 3)
		r.send()
		r.wants(`DATA 1 "rd"`)
		if n, err := tasks[2].Await(r.ctx); n != 5 || err != nil {
			t.Errorf("the third wrote %d bytes, %v", n, err)
		}
	})
}

// How much of a file was sent is known, also when the stream ends meanwhile.
func TestAFileThatIsInterruptedIsCounted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var n int64
	var failed error
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		n, failed = io.Copy(w, f)
	})}
	onServer(t, srv, func(r *rig) {
		r.get(1)
		_ = r.fr.WriteWindowUpdate(1, 100_000)
		_ = r.fr.WriteWindowUpdate(0, 100_000)
		r.send()
		got := ""
		for strings.Count(got, "DATA") < 9 { // the file is read by others
			if _, err := asyncio.ToThread(r.ctx, func(context.Context) (int, error) { return 0, nil }); err != nil {
				t.Fatal(err)
			}
			got += r.take() + "\n"
		}
		_ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		r.send()
		if n != 2*fileAtOnce || failed == nil {
			t.Errorf("%d bytes were sent, %v", n, failed)
		}
	})
}

// What the socket takes at once needs no task that waits for it; what it fails to
// get rid of ends the connection.
func TestWhatTheSocketTakesIsNotWaitedFor(t *testing.T) {
	onServer(t, &Server{}, func(r *rig) {
		before := r.loop.Stats().TasksMade
		_ = r.fr.WritePing(false, [8]byte{1})
		r.send()
		r.wants("PING 0100000000000000 ack")
		if n := r.loop.Stats().TasksMade - before; n != 0 {
			t.Errorf("%d tasks were made", n)
		}
		r.w.unsent = 10
		_ = r.fr.WritePing(false, [8]byte{2})
		r.send()
		r.w.failing, r.w.unsent = os.ErrInvalid, 0
		r.w.drained.Set()
		r.turns()
		if !r.w.aborted || !errors.Is(r.server.Err(), os.ErrInvalid) {
			t.Errorf("aborted: %v, %v", r.w.aborted, r.server.Err())
		}
	})
}

// Requests that come too late cost, too.
func TestRequestsAfterTheGoodbyeAreBounded(t *testing.T) {
	onServer(t, &Server{Handler: http.HandlerFunc(sleeping)}, func(r *rig) {
		r.post(1)
		r.send()
		r.server.Shutdown()
		_ = r.fr.WritePing(true, [8]byte{7: 1})
		r.send()
		r.take()
		for i := range uint32(2*idleFrames + 10) {
			r.get(2*i + 3)
		}
		r.send()
		if got := r.take(); !strings.Contains(got, "ENHANCE_YOUR_CALM too many frames that carry nothing; the last was HEADERS") {
			t.Errorf("it goes on: %s", got)
		}
	})
}

// A reset that says that the rest of a request is not wanted is no reset that costs.
func TestAnAnswerBeforeTheEndOfARequestCostsNothing(t *testing.T) {
	for code, cost := range map[http2.ErrCode]float32{http2.ErrCodeNo: 0, http2.ErrCodeCancel: 1} {
		onClient(t, &Client{}, func(r *rig) {
			req := r.request("POST", "http://x/", r.never())
			req.ContentLength = 5
			task := r.ask(req)
			r.headers(1, true, ":status=200")
			r.send()
			before := r.client.c.guard.resets.tokens
			_ = r.fr.WriteRSTStream(1, code)
			r.send()
			if got := before - r.client.c.guard.resets.tokens; got != cost {
				t.Errorf("%v costs %v", code, got)
			}
			if _, err := r.result(task); err != nil {
				t.Error(err)
			}
		})
	}
}

// A body for which there is no room does not keep its request from its answer.
func TestABodyWithoutRoomHoldsUpNoAnswer(t *testing.T) {
	for name, full := range map[string]func(r *rig) *asyncio.Task[answer]{
		"of the connection": func(r *rig) *asyncio.Task[answer] {
			for range 4 {
				r.ask(r.request("POST", "http://x/", strings.NewReader(strings.Repeat("x", smallBody-100))))
			}
			return r.ask(r.request("POST", "http://x/", strings.NewReader(strings.Repeat("x", smallBody))))
		},
		"of the stream": func(r *rig) *asyncio.Task[answer] {
			_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
			r.send()
			return r.ask(r.request("POST", "http://x/", strings.NewReader(strings.Repeat("x", 11))))
		},
	} {
		onClient(t, &Client{}, func(r *rig) {
			task := full(r)
			r.take()
			r.headers(r.client.c.nextID-2, true, ":status=413")
			r.send()
			if resp, err := r.result(task); err != nil || resp.StatusCode != 413 {
				t.Errorf("%s: %v, %v", name, resp, err)
			}
		}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	}
}
