package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// FuzzWhatIsReadDoesNotDependOnBlocks feeds a reader in two blocks of any
// lengths and reads it up to a separator: what comes out is what cutting the
// whole gives.
func FuzzWhatIsReadDoesNotDependOnBlocks(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), []byte("\n"), 5)
	f.Add([]byte("a\r\nb\rc\r\n"), []byte("\r\n"), 2)
	f.Add([]byte("aaabaaab"), []byte("aab"), 3)
	f.Fuzz(func(t *testing.T, all, separator []byte, cut int) {
		if len(separator) == 0 || len(all) > 1000 {
			return
		}
		if cut < 0 || cut > len(all) {
			cut = len(all) / 2
		}
		runOn(t, asyncio.WithVirtualClock(), func(t *testing.T, ctx context.Context) {
			l := must(asyncio.RunningLoop(ctx))
			r := asyncio.NewStreamReader(l, 1000)
			l.CallSoon(func() {
				r.FeedData(all[:cut])
				l.CallSoon(func() {
					r.FeedData(all[cut:])
					r.FeedEOF()
				})
			})
			left := all
			for {
				got, err := r.ReadUntil(ctx, separator)
				var end *asyncio.IncompleteReadError
				if errors.As(err, &end) {
					if !bytes.Equal(end.Partial, left) || !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Fatalf("at the end: %q, want %q", end.Partial, left)
					}
					break
				}
				i := bytes.Index(left, separator)
				if err != nil || i < 0 || !bytes.Equal(got, left[:i+len(separator)]) {
					t.Fatalf("got %q, %v of %q", got, err, left)
				}
				left = left[len(got):]
			}
			if !r.AtEOF() {
				t.Fatal("not at the end")
			}
		})
	})
}
