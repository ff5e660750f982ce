package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/filehead"
)

// A headWire is a fileWire that holds back what is followed by more.
type headWire struct {
	fileWire
	heads []int // how much of each was taken
}

func (w *headWire) WriteMore(p []byte) (int, error) {
	w.note(!w.full && w.shut == 0 && len(p) > 0, "WriteMore")
	n, err := w.take(p)
	w.heads = append(w.heads, n)
	return n, err
}

func TestTheHeadOfASmallFileWaitsForTheFile(t *testing.T) {
	content := pattern(70 << 10)
	f := fileOf(t, content)
	head := []byte("a head")
	for name, c := range map[string]struct {
		room   int   // at first
		queued int   // bytes are queued before
		count  int64 // of the file
		heads  []int
	}{
		"all is taken":           {1 << 20, 0, 64 << 10, []int{6}},
		"a part is taken":        {4, 0, 1000, []int{4}},
		"nothing is taken":       {0, 0, 1000, []int{0}},
		"the file is large":      {1 << 20, 0, 64<<10 + 1, nil},
		"something is queued":    {10, 20, 1000, nil},
		"nothing is of the file": {1 << 20, 0, 0, []int{6}},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualClock(t, func(t *testing.T, ctx context.Context) {
				w := &headWire{fileWire: fileWire{most: 1 << 20}}
				w.room = c.room
				s := must(asyncio.NewStreamOn(loopOf(ctx), w))
				before := pattern(c.queued)
				if err := s.WriteNowait(before); err != nil {
					t.Fatal(err)
				}
				sending := asyncio.Go(ctx, func(ctx context.Context) error {
					n, err := filehead.Send(ctx, s, head, f, 5, c.count)
					if n != c.count || err != nil {
						t.Errorf("%d bytes of the file were sent, %v", n, err)
					}
					return nil
				})
				turns(ctx, 3)
				w.makeRoom(1 << 20)
				if _, err := sending.Await(ctx); err != nil {
					t.Fatal(err)
				}
				if want := slices.Concat(before, head, content[5:5+c.count]); !bytes.Equal(w.out, want) {
					t.Errorf("%d bytes went out, and not %d, or others", len(w.out), len(want))
				}
				if !slices.Equal(w.heads, c.heads) {
					t.Errorf("of the head was held back %v, and not %v", w.heads, c.heads)
				}
				s.Abort()
			})
		})
	}
}

func TestTheHeadOfAFileGoesBeforeItWhereItCannotWait(t *testing.T) {
	f := fileOf(t, pattern(1000))
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &fileWire{most: 1000}
		w.room = 1 << 20
		s := must(asyncio.NewStreamOn(loopOf(ctx), w))
		if n, err := filehead.Send(ctx, s, []byte("head"), f, 0, 1000); n != 1000 || err != nil || len(w.out) != 1004 {
			t.Errorf("%d bytes of the file were sent, %v; %d went out", n, err, len(w.out))
		}
		s.Abort()
	})
}

func TestAHeadThatCannotBeSentIsFollowedByNoFile(t *testing.T) {
	f := fileOf(t, pattern(1000))
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &headWire{fileWire: fileWire{most: 1000}}
		w.room, w.broken = 1<<20, syscall.EPIPE
		s := must(asyncio.NewStreamOn(loopOf(ctx), w))
		if n, err := filehead.Send(ctx, s, []byte("head"), f, 0, 1000); n != 0 || err != syscall.EPIPE {
			t.Errorf("%d bytes of the file were sent, %v", n, err)
		}
		if len(w.calls) > 0 || len(w.heads) != 1 {
			t.Errorf("the file was sent: %v", w.calls)
		}
		if _, err := s.Write([]byte("more")); err != syscall.EPIPE {
			t.Errorf("a write after that: %v", err)
		}
		s.Close()
		if n, err := filehead.Send(ctx, s, []byte("head"), f, 0, 1000); n != 0 || err == nil {
			t.Errorf("after Close %d bytes of the file were sent, %v", n, err)
		}
		s.Abort()

		w = &headWire{fileWire: fileWire{most: 1000}}
		w.room = 1 << 20
		s = must(asyncio.NewStreamOn(loopOf(ctx), w))
		s.WriteEOF()
		if n, err := filehead.Send(ctx, s, []byte("head"), f, 0, 1000); n != 0 || !errors.Is(err, net.ErrClosed) || len(w.heads) > 0 {
			t.Errorf("after the end %d bytes of the file were sent, %v", n, err)
		}
		s.Abort()
	})
}
