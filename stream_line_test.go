package asyncio_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestSkipLineDropsTheRestOfALineThatWasTooLong(t *testing.T) {
	for _, c := range []struct{ name, sent, next string }{
		{"what came is cut in the line", strings.Repeat("x", 10_000) + "QUIT\nnext\n", "next\n"},
		{"all of the line has come", strings.Repeat("x", 20) + "\nnext\n", "next\n"},
		{"it ends at the limit", strings.Repeat("x", 17) + "\n\nnext\n", "\n"},
		{"the line ends with the stream", strings.Repeat("x", 10_000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error {
					for piece := range slicesOf([]byte(c.sent), 3000) {
						if _, err := s.Write(piece); err != nil {
							return err
						}
						asyncio.Sleep(ctx, 0)
					}
					return nil
				})
				s := dial(t, ctx, srv.Addr(), asyncio.WithLimit(16))
				if line, err := s.ReadLine(ctx); !errors.Is(err, asyncio.ErrLineTooLong) {
					t.Fatalf("got %q, %v", line, err)
				}
				if err := s.SkipLine(ctx); err != nil {
					t.Fatal(err)
				}
				line, err := s.ReadLine(ctx)
				if string(line) != c.next || (c.next == "") != (err == io.EOF) {
					t.Errorf("the next line is %q, %v", line, err)
				}
				s.Close()
				shutdown(t, ctx, srv)
			})
		})
	}
}

func TestSkipLineElsewhereDropsUpToTheNewline(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 8)
		r.FeedData([]byte("123456789012345\nGET page\n\nsecond\nthird"))
		if _, err := r.ReadLine(ctx); !errors.Is(err, asyncio.ErrLineTooLong) { // with its end
			t.Fatal(err)
		}
		if p, err := r.ReadExactly(ctx, 4); string(p) != "GET " || err != nil {
			t.Fatalf("got %q, %v", p, err)
		}
		// A line was read from since: this is not the one that was too long.
		if err := r.SkipLine(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.SkipLine(ctx); err != nil { // the empty one
			t.Fatal(err)
		}
		if line, err := r.ReadLine(ctx); string(line) != "second\n" || err != nil {
			t.Errorf("got %q, %v", line, err)
		}
		loopOf(ctx).CallSoon(func() { r.SetError(errBoom) })
		if err := r.SkipLine(ctx); err != errBoom {
			t.Errorf("SkipLine of a reader that fails gave %v", err)
		}
	})
}

func TestLimitOverrunErrorTellsTheLimit(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 8)
		r.FeedData([]byte("123456789012"))
		for _, want := range []string{
			"asyncio: no separator in the first 12 bytes, and the limit is 8",
			"asyncio: the separator came after 12 bytes, beyond the limit of 8",
		} {
			_, err := r.ReadUntil(ctx, []byte("\n"))
			if err == nil || err.Error() != want {
				t.Errorf("got %v", err)
			}
			r.FeedData([]byte("\n"))
		}
	})
}
