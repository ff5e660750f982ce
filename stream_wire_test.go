package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A sizedWire is a wire that notes how much it was asked for.
type sizedWire struct {
	wire
	asked []int
}

func (w *sizedWire) Read(p []byte) (int, error) {
	w.asked = append(w.asked, len(p))
	return w.wire.Read(p)
}

// What was read is moved away when there is no room behind the rest, and not before;
// with nothing read, the buffer doubles.
func TestAReaderAsksForWhatItsBufferHasRoomFor(t *testing.T) {
	const size = 4 << 10
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for name, c := range map[string]struct {
		first []byte
		line  bool // the first has a line
		asked []int
	}{
		"full, one byte read":      {append([]byte("\n"), x(size-1)...), true, []int{size, 1}},
		"full, some bytes read":    {append([]byte("123\n"), x(size-4)...), true, []int{size, 4}},
		"not full, some are read":  {append([]byte("123\n"), x(100)...), true, []int{size, size - 104}},
		"full, nothing read":       {x(size), false, []int{size, size}},
		"not full, and none is":    {x(10), false, []int{size, size - 10}},
		"one byte less than full":  {append([]byte("\n"), x(size-2)...), true, []int{size, 1}},
		"full, all but one is":     {append(append(x(size-2), '\n'), 'x'), true, []int{size, size - 1}},
		"nothing is left but room": {[]byte("123\n"), true, []int{size, size}},
	} {
		onVirtualClock(t, func(t *testing.T, ctx context.Context) {
			w := &sizedWire{}
			s := must(asyncio.NewStreamOn(loopOf(ctx), w))
			w.feed(c.first)
			want := len(c.first)
			if c.line {
				line, err := s.ReadUntil(ctx, []byte("\n"))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				want -= len(line)
			}
			read := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadUntil(ctx, []byte("!")) })
			turns(ctx, 2)
			w.feed([]byte("!"))
			if got, err := read.Await(ctx); err != nil || !bytes.Equal(got, append(x(want), '!')) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			if len(w.asked) < 2 || w.asked[0] != c.asked[0] || !slices.Contains(w.asked[1:], c.asked[1]) {
				t.Errorf("%s: it was asked for %v, and not %v", name, w.asked, c.asked)
			}
			s.Abort()
		})
	}
}

// Of separators that end together the shorter one counts, whose beginning may be
// behind the limit.
func TestOfSeparatorsThatEndTogetherTheShorterIsFound(t *testing.T) {
	for _, separators := range [][][]byte{blocksOf(";", "9;"), blocksOf("9;", ";")} {
		fed(t, 8, blocksOf("123456789;"), func(ctx context.Context, r *asyncio.StreamReader) {
			var over *asyncio.LimitOverrunError
			if got, err := r.ReadUntil(ctx, separators...); !errors.As(err, &over) || over.Consumed != 9 {
				t.Errorf("by %q: %q, %v", separators, got, err)
			}
		})
	}
}

// Who reads much without having to wait lets others run. They may end the read.
func TestAReadThatLetsOthersRunMayBeEndedByThem(t *testing.T) {
	for name, end := range map[string]func(s *asyncio.Stream, w *wire){
		"Close": func(s *asyncio.Stream, _ *wire) { s.Close() },
		"Abort": func(s *asyncio.Stream, _ *wire) { s.Abort() },
		"news":  func(_ *asyncio.Stream, w *wire) { w.h.Ready(driver.Readable) },
	} {
		onVirtualClock(t, func(t *testing.T, ctx context.Context) {
			w := &wire{in: make([]byte, 1<<20)}
			s := must(asyncio.NewStreamOn(loopOf(ctx), w))
			buf := make([]byte, 256<<10)
			if n, err := s.Read(buf); n != len(buf) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			ran := false
			loopOf(ctx).CallSoon(func() {
				ran = true
				end(s, w)
			})
			n, err := s.Read(buf)
			if want := len(buf); name == "news" && (n != want || err != nil) || name != "news" && (n != 0 || !errors.Is(err, net.ErrClosed)) {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if !ran {
				t.Errorf("%s: nobody else has run", name)
			}
			s.Abort()
		})
	}
}

func TestAWriteThatIsTakenAtOnceLetsNobodyRun(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &wire{room: 4 << 20}
		s := must(asyncio.NewStreamOn(loopOf(ctx), w))
		ran := false
		p := pattern(256<<10 - 1)
		for name, write := range map[string]func([]byte) (int, error){
			"Write":        s.Write,
			"WriteContext": func(p []byte) (int, error) { return s.WriteContext(ctx, p) },
			"WriteLines":   func(p []byte) (int, error) { return s.WriteLines(p) },
		} {
			loopOf(ctx).CallSoon(func() { ran = true })
			if n, err := write(p); n != len(p) || err != nil || ran {
				t.Errorf("%s: %d, %v, others have run: %v", name, n, err, ran)
			}
			if n, err := write(p[:1]); n != 1 || err != nil || !ran { // the limit
				t.Errorf("%s of one more: %d, %v, others have run: %v", name, n, err, ran)
			}
			ran = false
		}
		s.Abort()
	})
}

// In a callback there is nobody who could be held up.
func TestAWriteInACallbackNeverWaits(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &wire{room: 10}
		s := must(asyncio.NewStreamOn(loopOf(ctx), w))
		p := pattern(100 << 10)
		for range 4 {
			done := asyncio.NewFuture[int](loopOf(ctx))
			loopOf(ctx).CallSoon(func() {
				n, err := s.Write(p)
				if n == len(p) && err == nil {
					n, err = s.WriteContext(ctx, p)
				}
				if n == len(p) && err == nil {
					n, err = s.WriteLines(p)
				}
				if err != nil {
					done.SetError(err)
				} else {
					done.SetResult(n)
				}
			})
			if n, err := done.Await(ctx); n != len(p) || err != nil {
				t.Errorf("it returned %d, %v", n, err)
			}
		}
		if got := s.WriteBufferSize(); got != 12*len(p)-10 {
			t.Errorf("%d bytes are queued", got)
		}
		s.Abort()
	})
}

func TestWriteContextCountsWhatItHasWritten(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &wire{}
		s := must(asyncio.NewStreamOn(loopOf(ctx), w))
		if err := inThread(t, ctx, func() error {
			n, err := s.WriteContext(ctx, []byte("foreign"))
			if n != 0 {
				t.Errorf("on another goroutine it has written %d", n)
			}
			return err
		}); !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("on another goroutine: %v", err)
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		p := pattern(70 << 10)
		if n, err := s.WriteContext(over, p); n != len(p) || !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is over: %d, %v", n, err)
		}
		s.Close()
		if n, err := s.WriteContext(ctx, p); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %d, %v", n, err)
		}
		s.Abort()
	})
}
