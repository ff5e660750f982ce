package h2

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/net/http2"
)

func TestABucketFillsWithTimeUpToItsSize(t *testing.T) {
	onVirtualClock(t, func(ctx context.Context) {
		l, _ := asyncio.RunningLoop(ctx)
		b := newBucket(3, 2)
		all := func() (n int) {
			for b.take(l) {
				n++
			}
			return n
		}
		_ = asyncio.Sleep(ctx, time.Hour) // it was full all the time
		for i, x := range []struct {
			sleep time.Duration
			put   float32
			want  int
		}{{0, 0, 6}, {time.Second, 0, 2}, {500 * time.Millisecond, 0, 1}, {400 * time.Millisecond, 0, 0}, {100 * time.Millisecond, 0, 1},
			{time.Hour, 0, 3}, {0, 2, 2}, {0, 100, 3}} {
			_ = asyncio.Sleep(ctx, x.sleep)
			b.put(x.put)
			if n := all(); n != x.want {
				t.Errorf("step %d: %d tokens, want %d", i, n, x.want)
			}
		}
	})
}

// A client may give up four times as many streams as it may have, and then as many
// in a second.
func TestStreamsThatAreGivenUpAreBounded(t *testing.T) {
	for name, x := range map[string]struct {
		wrong func(r *rig, id uint32)
	}{
		"by the client":    {func(r *rig, id uint32) { r.post(id); _ = r.fr.WriteRSTStream(id, http2.ErrCodeCancel) }},
		"by its mistakes":  {func(r *rig, id uint32) { r.get(id, "connection=close") }},
		"by large headers": {func(r *rig, id uint32) { r.get(id, "x="+strings.Repeat("v", 1000)) }},
	} {
		t.Run(name, func(t *testing.T) {
			onServer(t, &Server{MaxConcurrentStreams: 25, MaxHeaderBytes: 1000}, func(r *rig) {
				const goAway = "ENHANCE_YOUR_CALM too many streams were reset"
				id := uint32(1)
				several := func(n int) (ended bool) {
					for range n {
						x.wrong(r, id)
						id += 2
						r.send()
					}
					return strings.Contains(r.take(), goAway)
				}
				r.pass(time.Hour)
				if several(resetsPerStream * 25) {
					t.Fatal("too early")
				}
				r.pass(time.Second)
				if several(20) {
					t.Fatal("too early in the next second")
				}
				if !several(2 * resetsPerStream * 25) {
					t.Error("it goes on for ever")
				}
			})
		})
	}
}

// What carries something makes up for what does not.
func TestFramesThatCarrySomethingMakeUpForOthers(t *testing.T) {
	for _, useful := range []bool{true, false} {
		onServer(t, &Server{}, func(r *rig) {
			r.post(1)
			for range idleFrames * 2 {
				_ = r.fr.WriteData(1, false, nil)
				if useful {
					_ = r.fr.WriteData(1, false, []byte("x"))
				}
			}
			r.send()
			if calm := !strings.Contains(r.take(), "ENHANCE_YOUR_CALM too many frames that carry nothing; the last was DATA"); calm != useful {
				t.Errorf("with others in between: %v; it goes on: %v", useful, calm)
			}
		})
	}
}

// What has come whole and was not read is given back, too.
func TestABodyThatHasComeWholeAndIsNotReadIsGivenBack(t *testing.T) {
	begun := asyncio.NewEvent()
	srv := &Server{ConnWindow: 1, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = begun.Wait(r.Context()) })}
	onServer(t, srv, func(r *rig) {
		r.post(1)
		r.bytes(1, 20000)
		_ = r.fr.WriteData(1, true, nil)
		r.send()
		r.wants()
		begun.Set()
		got := r.take()
		for _, want := range []string{"WINDOW_UPDATE 0 +20000", "HEADERS 1" + ok200} {
			if !strings.Contains(got, want) {
				t.Errorf("it sent\n%s\nwithout %s", got, want)
			}
		}
		if strings.Contains(got, "RST_STREAM") {
			t.Errorf("it has reset what is over:\n%s", got)
		}
	})
}

// A writer may close the body that is being copied to it.
func TestABodyMayBeClosedWhileItIsCopied(t *testing.T) {
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
		w := writerFunc(func(p []byte) (int, error) { return len(p), resp.Body.Close() })
		total, err := resp.Body.(io.WriterTo).WriteTo(w)
		if err != ErrBodyClosed || total == 0 {
			t.Errorf("%d, %v", total, err)
		}
		r.wants("RST_STREAM 1 CANCEL", "WINDOW_UPDATE 0 +20000")
		if got := fmt.Sprint(r.client.c.window.left + r.client.c.window.owed); got != fmt.Sprint(defaultWindow) {
			t.Errorf("of the connection's window %s are accounted for", got)
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
