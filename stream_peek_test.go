package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// ofText runs body with a reader that has what was fed, and its end.
func ofText(t *testing.T, what string, body func(ctx context.Context, r *asyncio.StreamReader)) {
	t.Helper()
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(asyncio.CurrentTask(ctx).Loop(), 16)
		r.FeedData([]byte(what))
		r.FeedEOF()
		body(ctx, r)
	})
}

func TestPeekTakesNothing(t *testing.T) {
	ofText(t, "abcdef", func(ctx context.Context, r *asyncio.StreamReader) {
		for _, n := range []int{0, 1, 3, 6} {
			p, err := r.Peek(ctx, n)
			if string(p) != "abcdef"[:n] || err != nil || cap(p) != n {
				t.Errorf("Peek(%d) is %q, %v, of capacity %d", n, p, err, cap(p))
			}
		}
		if p, err := r.ReadExactly(ctx, 4); string(p) != "abcd" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
		if p, err := r.Peek(ctx, 3); string(p) != "ef" || err != io.EOF {
			t.Errorf("Peek across the end is %q, %v", p, err)
		}
		if p, err := r.ReadAll(ctx); string(p) != "ef" || err != nil {
			t.Errorf("the rest is %q, %v", p, err)
		}
		if p, err := r.Peek(ctx, 1); len(p) != 0 || err != io.EOF {
			t.Errorf("Peek at the end is %q, %v", p, err)
		}
		for _, n := range []int{-1, 17} {
			if _, err := r.Peek(ctx, n); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("Peek(%d): %v", n, err)
			}
		}
	})
}

func TestPeekWaitsAndLosesNothing(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := asyncio.CurrentTask(ctx).Loop()
		r := asyncio.NewStreamReader(l, 0)
		r.FeedData([]byte("ab"))
		peek := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return r.Peek(ctx, 3) })
		if err := asyncio.Sleep(ctx, 0); err != nil {
			t.Fatal(err)
		}
		peek.Cancel()
		if _, err := peek.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("cancelled, it returns %v", err)
		}
		l.CallSoon(func() { r.FeedData([]byte("cd")) })
		if p, err := r.Peek(ctx, 3); string(p) != "abc" || err != nil {
			t.Errorf("it is %q, %v", p, err)
		}
	})
}

func TestReadTextDropsTheEndOfALine(t *testing.T) {
	ofText(t, "a\nb\r\n\n\r\nc\r\r\nd\re\nlast\r", func(ctx context.Context, r *asyncio.StreamReader) {
		for _, want := range []string{"a", "b", "", "", "c\r", "d\re", "last\r"} {
			if text, err := r.ReadText(ctx); text != want || err != nil {
				t.Errorf("%q, %v instead of %q", text, err, want)
			}
		}
		if text, err := r.ReadText(ctx); text != "" || err != io.EOF {
			t.Errorf("at the end: %q, %v", text, err)
		}
	})
	ofText(t, "12345678901234567890\nshort\n", func(ctx context.Context, r *asyncio.StreamReader) {
		if _, err := r.ReadText(ctx); !errors.Is(err, asyncio.ErrLineTooLong) {
			t.Errorf("of a long line: %v", err)
		}
		if err := r.SkipLine(ctx); err != nil {
			t.Error(err)
		}
		if text, err := r.ReadText(ctx); text != "short" || err != nil {
			t.Errorf("after it: %q, %v", text, err)
		}
	})
}

func TestTryWriteKeepsItsBound(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const bound, piece = 64 << 10, 16 << 10
		done := asyncio.NewEvent()
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, _ *asyncio.Stream) error {
			return done.Wait(ctx) // and reads nothing
		})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		defer done.Set()
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := s.TryWrite(make([]byte, bound+1), bound); ok || err != nil {
			t.Errorf("more than the bound at once: %v, %v", ok, err)
		}
		p := bytes.Repeat([]byte("x"), piece)
		for {
			before := s.WriteBufferSize()
			ok, err := s.TryWrite(p, bound)
			if err != nil {
				t.Fatal(err)
			}
			if ok != (before+piece <= bound) {
				t.Errorf("with %d bytes queued it returns %v", before, ok)
			}
			if !ok {
				if after := s.WriteBufferSize(); after != before {
					t.Errorf("it has written nothing, and %d bytes became %d", before, after)
				}
				break
			}
		}
		s.Abort()
		if ok, err := s.TryWrite(p, 0); ok || !errors.Is(err, net.ErrClosed) {
			t.Errorf("of a closed stream: %v, %v", ok, err)
		}
	})
}

func TestTimeoutValue(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(asyncio.CurrentTask(ctx).Loop(), 0)
		r.FeedData([]byte("hello\nwor"))
		if text, err := asyncio.TimeoutValue(ctx, time.Minute, r.ReadText); text != "hello" || err != nil {
			t.Errorf("in time: %q, %v", text, err)
		}
		var late *asyncio.TimeoutError
		if text, err := asyncio.TimeoutValue(ctx, time.Millisecond, r.ReadText); text != "" || !errors.As(err, &late) {
			t.Errorf("too late: %q, %v", text, err)
		}
	})
}
