package h2

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
	"golang.org/x/net/http2"
)

func TestAWindowMayHaveTheLargestSizeAndNoMore(t *testing.T) {
	for name, add := range map[string]func(w *sendWindow) bool{
		"by an update":   func(w *sendWindow) bool { return w.grow(1) },
		"by the setting": func(w *sendWindow) bool { return w.shift(1) },
	} {
		w := sendWindow(maxWindow - 1)
		if !add(&w) || w != maxWindow {
			t.Errorf("%s: %d is refused", name, w)
		}
		if add(&w) {
			t.Errorf("%s: %d is taken", name, w)
		}
	}
}

// What was used up is told when it is a quarter of the window.
func TestAWindowIsOpenedAQuarterAtATime(t *testing.T) {
	w := newRecvWindow(100)
	if !w.receive(100) {
		t.Error("the whole window is refused")
	}
	for _, s := range []struct {
		n    int
		want uint32
	}{{24, 0}, {1, 25}, {0, 0}, {25, 25}, {24, 0}, {26, 50}} {
		if got := w.release(s.n); got != s.want {
			t.Errorf("of %d it is told %d, want %d", s.n, got, s.want)
		}
	}
	if !w.receive(100) || w.receive(1) {
		t.Error("then it is not as large as before")
	}
}

func TestAPeerMayCostSoMuchAtOnceAndSoMuchASecond(t *testing.T) {
	onVirtualClock(t, func(ctx context.Context) {
		l, _ := asyncio.RunningLoop(ctx)
		for _, c := range []struct{ streams, resets, perSecond uint32 }{{1, 100, 25}, {25, 100, 25}, {30, 120, 30}} {
			g := newGuard(c.streams, l)
			_ = asyncio.Sleep(ctx, time.Hour)
			count := func(cost func() error) (n uint32) {
				for cost() == nil {
					n++
				}
				return n
			}
			idle := func() error { return g.idleFrame(http2.FramePing) }
			count(g.reset) // what has come by in the meantime is known when it is empty
			count(idle)
			_ = asyncio.Sleep(ctx, time.Hour)
			if i, r := count(idle), count(g.reset); i != 2000 || r != c.resets {
				t.Errorf("of %d streams: %d frames and %d resets at once", c.streams, i, r)
			}
			_ = asyncio.Sleep(ctx, time.Second)
			if i, r := count(idle), count(g.reset); i != 100 || r != c.perSecond {
				t.Errorf("of %d streams: %d frames and %d resets in a second", c.streams, i, r)
			}
			g.useful(7)
			if i := count(idle); i != 7 {
				t.Errorf("for 7 that carry something there are %d", i)
			}
		}
	})
}

func TestAPeerThatHasNeverSaidAnythingIsAskedAndGivenUp(t *testing.T) {
	onVirtualClock(t, func(ctx context.Context) {
		l, _ := asyncio.RunningLoop(ctx)
		for _, c := range []struct{ every, within, want time.Duration }{
			{10 * time.Second, 5 * time.Second, 15 * time.Second},
			{10 * time.Second, 0, 10*time.Second + defaultPingTimeout},
			{1, -1, 1 + defaultPingTimeout},
		} {
			w := &memWire{}
			conn := &conn{loop: l, wire: w, err: io.EOF}
			conn.out.closed = true
			h := newHealth(conn, c.every, c.within)
			_ = asyncio.Sleep(ctx, c.want-1)
			if w.aborted {
				t.Errorf("after %v it is given up early", c.want)
			}
			_ = asyncio.Sleep(ctx, 2)
			if !w.aborted {
				t.Errorf("after %v it is not given up", c.want)
			}
			w.aborted = false
			h.heard()
			_ = asyncio.Sleep(ctx, c.every)
			h.heard() // which answers
			_ = asyncio.Sleep(ctx, c.want-1)
			if w.aborted {
				t.Errorf("one that answers is given up")
			}
			h.end()
			_ = asyncio.Sleep(ctx, time.Hour)
			if w.aborted || l.Stats().Timers != 0 {
				t.Errorf("after the end it goes on, with %d timers", l.Stats().Timers)
			}
		}
		if h := newHealth(&conn{loop: l}, 0, time.Second); h != nil {
			t.Error("without an interval somebody looks")
		}
	})
}

func TestWhatIsLentOfABodyStaysWhenTheRestIsDropped(t *testing.T) {
	onVirtualClock(t, func(ctx context.Context) {
		l, _ := asyncio.RunningLoop(ctx)
		for _, frames := range []int{1, 3} {
			chunks := &freelist.List{Size: frameSize, Most: 64}
			b := &body{loop: l, chunks: chunks}
			for range frames {
				b.add(make([]byte, frameSize), false)
			}
			p, err := b.next()
			if err != nil || len(p) != frameSize {
				t.Fatal(len(p), err)
			}
			if n := b.drop(); n != frames*frameSize {
				t.Errorf("%d bytes were dropped", n)
			}
			for range frames + 1 {
				if q := chunks.Get(); &q[:1][0] == &p[0] {
					t.Errorf("of %d the one that is lent is used again", frames)
				}
			}
			if n := b.returned(10); n != 0 {
				t.Errorf("%d bytes of what was dropped count", n)
			}
		}
	})
}

func TestAFrameThatIsTooShortForWhatItHoldsIsAnError(t *testing.T) {
	f := &feed{rest: []byte("abc")}
	p := make([]byte, 2)
	for _, want := range []int{2, 1} {
		if n, err := f.Read(p); n != want || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("read %d of nothing, %v", n, err)
	}
	if n, err := f.Read(p); n != 0 || err != errFeedEmpty {
		t.Errorf("at the end: %d, %v", n, err)
	}
}
