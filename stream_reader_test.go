package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// fed runs body with a reader that gets the blocks, each in a turn of the loop
// of its own, and then the end.
func fed(t *testing.T, limit int, blocks [][]byte, body func(ctx context.Context, r *asyncio.StreamReader)) {
	t.Helper()
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), limit)
		var feed func()
		feed = func() {
			if len(blocks) == 0 {
				r.FeedEOF()
				return
			}
			r.FeedData(blocks[0])
			blocks = blocks[1:]
			loopOf(ctx).CallSoon(feed)
		}
		loopOf(ctx).CallSoon(feed)
		body(ctx, r)
	})
}

func blocksOf(s ...string) (all [][]byte) {
	for _, b := range s {
		all = append(all, []byte(b))
	}
	return all
}

// However the bytes come, ReadUntil ends where the first of the separators ends.
func TestReadUntilOfSeveralSeparatorsEndsWhereTheFirstEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[ab,]{0,30}`).Draw(rt, "text")
		words := rapid.SliceOfN(rapid.StringMatching(`[ab]{1,4}`), 1, 3).Draw(rt, "separators")
		var blocks [][]byte
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "block")
			blocks = append(blocks, []byte(rest[:n]))
			rest = rest[n:]
		}
		fed(t, 0, blocks, func(ctx context.Context, r *asyncio.StreamReader) {
			for rest := text; ; {
				end := -1
				for _, w := range words {
					if i := strings.Index(rest, w); i >= 0 && (end < 0 || i+len(w) < end) {
						end = i + len(w)
					}
				}
				got, err := r.ReadUntil(ctx, blocksOf(words...)...)
				if end < 0 {
					var incomplete *asyncio.IncompleteReadError
					if !errors.As(err, &incomplete) || string(incomplete.Partial) != rest || incomplete.Expected != -1 || got != nil {
						rt.Fatalf("at the end of %q by %q: %q, %v", text, words, got, err)
					}
					return
				}
				if err != nil || string(got) != rest[:end] {
					rt.Fatalf("of %q by %q: %q, %v, want %q", rest, words, got, err, rest[:end])
				}
				rest = rest[end:]
			}
		})
	})
}

func TestSeparatorMayBeginAtTheLimitAndNotBehindIt(t *testing.T) {
	for _, c := range []struct {
		name     string
		blocks   [][]byte
		consumed int // of the error; -1: there is none
		found    bool
	}{
		{"at the limit", blocksOf("12345678;;rest"), -1, true},
		{"at the limit, in two blocks", blocksOf("12345678;", ";rest"), -1, true},
		{"behind the limit", blocksOf("123456789;;rest"), 9, true},
		{"nowhere", blocksOf("1234567890"), 9, false},
		{"nowhere, in blocks", blocksOf("12345678", "90"), 9, false},
		{"its beginning behind the limit", blocksOf("1234567890;", ";"), 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := string(bytes.Join(c.blocks, nil))
			fed(t, 8, c.blocks, func(ctx context.Context, r *asyncio.StreamReader) {
				got, err := r.ReadUntil(ctx, []byte(";;"))
				if c.consumed < 0 {
					if string(got) != "12345678;;" || err != nil {
						t.Errorf("got %q, %v", got, err)
					}
					return
				}
				var over *asyncio.LimitOverrunError
				if !errors.As(err, &over) || over.Consumed != c.consumed || strings.Contains(err.Error(), "beyond") != c.found {
					t.Errorf("got %q, %v", got, err)
				}
				if rest, err := r.ReadAll(ctx); string(rest) != all || err != nil {
					t.Errorf("what is left is %q of %q, %v", rest, all, err)
				}
			})
		})
	}
}

// A line that is too long is dropped as far as it has come, and with it its
// newline, so that the next read begins with the next line.
func TestLineBeyondTheLimitIsDropped(t *testing.T) {
	fed(t, 4, blocksOf("12345\nnext\n"), func(ctx context.Context, r *asyncio.StreamReader) {
		if line, err := r.ReadLine(ctx); !errors.Is(err, asyncio.ErrLineTooLong) || line != nil {
			t.Errorf("got %q, %v", line, err)
		}
		if line, err := r.ReadLine(ctx); string(line) != "next\n" || err != nil {
			t.Errorf("the next is %q, %v", line, err)
		}
	})
	fed(t, 4, blocksOf("12345", "67\nnext\n"), func(ctx context.Context, r *asyncio.StreamReader) {
		if _, err := r.ReadLine(ctx); !errors.Is(err, asyncio.ErrLineTooLong) || !strings.Contains(err.Error(), "4 bytes") {
			t.Error(err)
		}
		if line, err := r.ReadLine(ctx); string(line) != "67\n" || err != nil {
			t.Errorf("what comes of it later is %q, %v", line, err)
		}
	})
}

func TestLinesEndWithTheStreamAndWithAnError(t *testing.T) {
	fed(t, 4, blocksOf("1\n2\n", "\n3"), func(ctx context.Context, r *asyncio.StreamReader) {
		var got []string
		for line, err := range r.Lines(ctx) {
			got = append(got, string(line))
			if err != nil {
				t.Error(err)
			}
		}
		if strings.Join(got, "|") != "1\n|2\n|\n|3" {
			t.Errorf("got %q", got)
		}
		if _, err := r.ReadLine(ctx); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
	})
	fed(t, 4, blocksOf("1\n12345\n2\n"), func(ctx context.Context, r *asyncio.StreamReader) {
		var errs []error
		for _, err := range r.Lines(ctx) {
			errs = append(errs, err)
		}
		if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], asyncio.ErrLineTooLong) {
			t.Errorf("got %v", errs)
		}
		for line := range r.Lines(ctx) {
			if string(line) != "2\n" {
				t.Errorf("got %q", line)
			}
			break
		}
	})
}

func TestReadExactlyOfNothingAndOfTooMuch(t *testing.T) {
	fed(t, 0, blocksOf("12", "345"), func(ctx context.Context, r *asyncio.StreamReader) {
		if p, err := r.ReadExactly(ctx, 0); p == nil || len(p) != 0 || err != nil {
			t.Errorf("no bytes: %v, %v", p, err)
		}
		if _, err := r.ReadExactly(ctx, -1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("less than no bytes: %v", err)
		}
		if p, err := r.ReadExactly(ctx, 3); string(p) != "123" || err != nil {
			t.Errorf("got %q, %v", p, err)
		}
		var incomplete *asyncio.IncompleteReadError
		if p, err := r.ReadExactly(ctx, 3); !errors.As(err, &incomplete) || p != nil ||
			string(incomplete.Partial) != "45" || incomplete.Expected != 3 || !strings.Contains(err.Error(), "2 of 3") {
			t.Errorf("got %q, %v", p, err)
		}
		if !r.AtEOF() {
			t.Error("what was incomplete is still there")
		}
	})
}

func TestSeparatorsMustBeThereAndNotEmpty(t *testing.T) {
	fed(t, 0, blocksOf("x"), func(ctx context.Context, r *asyncio.StreamReader) {
		for _, separators := range [][][]byte{nil, {nil}, blocksOf("a", "")} {
			if p, err := r.ReadUntil(ctx, separators...); !errors.Is(err, fs.ErrInvalid) || p != nil {
				t.Errorf("with %q: %q, %v", separators, p, err)
			}
		}
	})
}

func TestSetErrorEndsAReadThatWaitsAndAllThatFollow(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 0)
		if r.Err() != nil {
			t.Errorf("a new reader has the error %v", r.Err())
		}
		reads := map[string]func() error{
			"Read":        func() error { return errorOf(r.Read(make([]byte, 1))) },
			"ReadContext": func() error { return errorOf(r.ReadContext(ctx, make([]byte, 1))) },
			"ReadLine":    func() error { return errorOf(r.ReadLine(ctx)) },
			"ReadUntil":   func() error { return errorOf(r.ReadUntil(ctx, []byte("x"))) },
			"ReadExactly": func() error { return errorOf(r.ReadExactly(ctx, 1)) },
			"ReadAll":     func() error { return errorOf(r.ReadAll(ctx)) },
		}
		loopOf(ctx).CallSoon(func() { r.SetError(errBoom) })
		if err := reads["ReadLine"](); err != errBoom {
			t.Errorf("the read that waited gave %v", err)
		}
		r.FeedData([]byte("buffered"))
		for name, read := range reads {
			if err := read(); err != errBoom {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if r.Err() != errBoom {
			t.Errorf("Err gave %v", r.Err())
		}
	})
}

func TestFeedingNothingWakesNobodyAndFeedingAfterTheEndIsMisuse(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 0)
		woken := false
		reader := asyncio.CreateTask(ctx, func(context.Context) (int, error) {
			n, err := r.Read(make([]byte, 9))
			woken = true
			return n, err
		})
		asyncio.Sleep(ctx, 1)
		r.FeedData(nil)
		asyncio.Sleep(ctx, 1)
		if woken {
			t.Error("the reader was woken")
		}
		r.FeedData([]byte("123"))
		if n, err := reader.Await(ctx); n != 3 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		r.FeedEOF()
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("at the end %d, %v", n, err)
		}
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, asyncio.ErrInvalidState) {
				t.Errorf("feeding after the end: %v", err)
			}
		}()
		r.FeedData([]byte("4"))
	})
}

// Each line leaves the beginning of the next one behind in the buffer, which is
// so never empty: it is used again and does not grow.
func TestReaderOfManyLinesNeedsNoMoreMemoryThanForSome(t *testing.T) {
	const lines, length = 3000, 3001
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		line := append(bytes.Repeat([]byte("x"), length-1), '\n')
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			for range lines {
				if _, err := s.Write(line); err != nil {
					return err
				}
			}
			_, err := io.Copy(io.Discard, s) // until the reader has looked
			return err
		})
		s := dial(t, ctx, srv.Addr())
		used := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := int64(0)
		for i := range lines {
			if p, err := s.ReadLine(ctx); len(p) != length || err != nil {
				t.Fatalf("line %d: %d bytes, %v", i, len(p), err)
			}
			if i == 50 {
				before = used()
			}
		}
		if more := used() - before; more > 1<<20 {
			t.Errorf("%d bytes more are used", more)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

// A separator may begin with what had come before another was looked for.
func TestSeparatorsAreFoundWhereverThePiecesEnd(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for _, text := range []string{"abc", "xabc", "aabc", "ababc", "a\n", "ab\nabc", "abab\n"} {
			for cut := range len(text) {
				r := asyncio.NewStreamReader(loopOf(ctx), 1<<10)
				r.FeedData([]byte(text[:cut]))
				read := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
					p, err := r.ReadUntil(ctx, []byte("\n"), []byte("abc"))
					return string(p), err
				})
				turns(ctx, 2)
				r.FeedData([]byte(text[cut:]))
				want := text
				if i := strings.IndexByte(text, '\n'); i >= 0 {
					want = text[:i+1]
				}
				if got, err := read.Await(ctx); got != want || err != nil {
					t.Errorf("%q and %q: %q, %v", text[:cut], text[cut:], got, err)
				}
			}
		}
	})
}
