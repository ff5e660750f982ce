package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"pgregory.net/rapid"
)

// A fileWire is a wire whose system sends files.
type fileWire struct {
	wire
	most    int // of a file, in one call
	refusal error
	after   int64 // the offset from which on that is given
	calls   []fileCall
	loop    *asyncio.Loop
	turn    int // how often others have run between the calls
	marked  bool
}

type fileCall struct {
	offset int64
	asked  int
	turn   int
}

func (w *fileWire) SendFile(f *os.File, offset int64, n int) (int, error) {
	w.note(!w.full && w.shut == 0 && n > 0, "SendFile")
	w.calls = append(w.calls, fileCall{offset, n, w.turn})
	if w.loop != nil && !w.marked {
		w.marked = true
		w.loop.CallSoon(func() { w.turn++; w.marked = false })
	}
	if w.refusal != nil && offset >= w.after {
		w.drained = false // it may be that there is something to read
		return 0, w.refusal
	}
	if w.room == 0 {
		w.full = true
		return 0, driver.ErrWouldBlock
	}
	p := make([]byte, min(n, w.room, w.most))
	got, err := f.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		return 0, err
	}
	w.out = append(w.out, p[:got]...)
	w.room -= got
	return got, nil
}

// sendsInVain returns the calls that could do nothing, but for those of Write:
// whether there is room is tried anew when a file begins or ends.
func (w *fileWire) sendsInVain() []string {
	return slices.DeleteFunc(slices.Clone(w.inVain), func(call string) bool { return strings.HasPrefix(call, "Write") })
}

// onFileWire runs body with a transport on w.
func onFileWire(t *testing.T, w *fileWire, body func(ctx context.Context, r *recorder)) {
	t.Helper()
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := &recorder{}
		if err := asyncio.NewTransportOn(loopOf(ctx), w, r); err != nil {
			t.Fatal(err)
		}
		r.untilCall(ctx, "made")
		body(ctx, r)
		r.transport.Abort()
		r.untilCall(ctx, "lost")
		if calls := w.sendsInVain(); len(calls) > 0 {
			t.Errorf("made in vain: %v", calls)
		}
	})
}

func TestAFileIsSentAMegabyteInATurn(t *testing.T) {
	const size = 5<<19 + 1
	f := fileOf(t, pattern(size))
	for _, count := range []int64{-1, size, size - 1, 1 << 20, 1<<20 + 1} {
		w := &fileWire{most: 400 << 10}
		w.room = size + 1
		onFileWire(t, w, func(ctx context.Context, r *recorder) {
			w.loop = loopOf(ctx)
			want := min(uint64(count), size) // a negative count is all
			if n, err := loopOf(ctx).Sendfile(ctx, r.transport, f, 0, count); uint64(n) != want || err != nil {
				t.Errorf("%d of %d were sent, %v", n, count, err)
			}
			if uint64(len(w.out)) != want {
				t.Errorf("%d of %d went out", len(w.out), count)
			}
		})
		left := uint64(count)
		budget, before := 1<<20, -1
		for i, c := range w.calls {
			if budget == 0 {
				budget = 1 << 20
				before = w.calls[i-1].turn
			}
			if uint64(c.asked) != min(left, uint64(budget)) || c.turn <= before || budget < 1<<20 && c.turn != w.calls[i-1].turn {
				t.Errorf("of %d: the calls were %v", count, w.calls)
				break
			}
			got := min(c.asked, w.most, size-int(c.offset))
			left -= uint64(got)
			budget -= got
		}
		if last := w.calls[len(w.calls)-1]; (last.offset == size) != (count < 0) {
			t.Errorf("of %d: the last call was %v", count, last)
		}
	}
}

// What is written before a file comes before it, and what is written meanwhile
// after it, whatever the system takes at a time.
func TestAFileComesBetweenWhatIsWrittenBeforeAndMeanwhile(t *testing.T) {
	content := pattern(10000)
	f := fileOf(t, content)
	rapid.Check(t, func(rt *rapid.T) {
		before, behind := pattern(rapid.IntRange(0, 40000).Draw(rt, "before")), pattern(rapid.IntRange(0, 90000).Draw(rt, "behind"))
		offset, count := rapid.IntRange(0, 9999).Draw(rt, "offset"), rapid.IntRange(1, 12000).Draw(rt, "count")
		rooms := rapid.SliceOfN(rapid.IntRange(1, 30000), 0, 20).Draw(rt, "rooms")
		file := content[offset:min(offset+count, len(content))]
		w := &fileWire{most: rapid.IntRange(1, 5000).Draw(rt, "most")}
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			r := &recorder{}
			if err := asyncio.NewTransportOn(loopOf(ctx), w, r); err != nil {
				return err
			}
			r.untilCall(ctx, "made")
			tr := r.transport
			tr.Write(before)
			n := int64(-1)
			sending := asyncio.Go(ctx, func(ctx context.Context) (err error) {
				n, err = loopOf(ctx).Sendfile(ctx, tr, f, int64(offset), int64(count))
				return err
			})
			turns(ctx, 2)
			tr.Write(behind[:len(behind)/2])
			tr.WriteLines(behind[len(behind)/2:])
			if got := tr.WriteBufferSize(); got != len(before)+len(behind) {
				rt.Errorf("%d bytes are queued, and not %d and %d", got, len(before), len(behind))
			}
			if m, err := loopOf(ctx).Sendfile(ctx, tr, f, 0, 1); m != 0 || !errors.Is(err, asyncio.ErrInvalidState) {
				rt.Errorf("another Sendfile gave %d, %v", m, err)
			}
			if _, err := loopOf(ctx).StartTLS(ctx, tr, clientTLS(), false); !errors.Is(err, asyncio.ErrInvalidState) {
				rt.Errorf("StartTLS gave %v", err)
			}
			tr.WriteEOF()
			for _, room := range append(rooms, 1<<20) {
				w.full = false
				w.room += room
				w.h.Ready(driver.Writable)
				turns(ctx, 4)
				sent, rest := len(w.out), len(before)+len(behind)
				rest -= min(sent, len(before)) + max(0, sent-len(before)-len(file))
				if got := tr.WriteBufferSize(); got != rest || sending.Done() && sent < len(before)+len(file) {
					rt.Fatalf("after %d bytes %d are queued, and not %d; the file was sent: %v", sent, got, rest, sending.Done())
				}
			}
			turns(ctx, 2)
			if _, err := sending.Await(ctx); n != int64(len(file)) || err != nil {
				rt.Errorf("%d bytes were sent of %d, %v", n, len(file), err)
			}
			turns(ctx, 2)
			if !bytes.Equal(w.out, slices.Concat(before, file, behind)) || w.shut != 1 {
				rt.Errorf("%d bytes went out of %d, %d and %d, or others; shut %d times", len(w.out), len(before), len(file), len(behind), w.shut)
			}
			tr.Abort()
			r.untilCall(ctx, "lost")
			return nil
		}, asyncio.WithVirtualClock())
		if calls := w.sendsInVain(); err != nil || len(calls) > 0 {
			rt.Errorf("%v; made in vain: %v", err, calls)
		}
	})
}

// What is wrong with a file is not wrong with its connection.
func TestAFileThatCannotBeSentToItsEndLeavesTheConnection(t *testing.T) {
	f := fileOf(t, pattern(1000))
	unsupported := fmt.Errorf("not this: %w", errors.ErrUnsupported)
	for _, after := range []int64{0, 300} {
		for _, refusal := range []error{syscall.EIO, syscall.EINVAL, syscall.EBADF, syscall.EOVERFLOW, fmt.Errorf("sendfile: %w", os.ErrClosed), unsupported} {
			w := &fileWire{most: 100, refusal: refusal, after: after}
			w.room = 1 << 20
			onFileWire(t, w, func(ctx context.Context, r *recorder) {
				n, err := loopOf(ctx).Sendfile(ctx, r.transport, f, 0, -1)
				want := after
				if after == 0 && refusal == unsupported { // it is read and written
					want, refusal = 1000, nil
				}
				if n != want || !errors.Is(err, refusal) || int64(len(w.out)) != want {
					t.Errorf("%v after %d: %d were sent, %v", refusal, after, n, err)
				}
				if m, err := r.transport.Write([]byte("fine")); m != 4 || err != nil || !bytes.HasSuffix(w.out, []byte("fine")) {
					t.Errorf("%v after %d: Write gave %d, %v", refusal, after, m, err)
				}
			})
		}
		w := &fileWire{most: 100, refusal: syscall.ECONNRESET, after: after}
		w.room = 1 << 20
		onFileWire(t, w, func(ctx context.Context, r *recorder) {
			n, err := loopOf(ctx).Sendfile(ctx, r.transport, f, 0, -1)
			if n != after || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a reset after %d: %d were sent, %v", after, n, err)
			}
			r.untilCall(ctx, "lost")
			if !errors.Is(r.lost, syscall.ECONNRESET) {
				t.Errorf("lost with %v", r.lost)
			}
		})
	}
}

func TestASendfileThatIsCancelledSendsNoMoreOfItsFile(t *testing.T) {
	f := fileOf(t, pattern(1000))
	w := &fileWire{most: 100}
	w.room = 250
	onFileWire(t, w, func(ctx context.Context, r *recorder) {
		n := int64(-1)
		sending := asyncio.Go(ctx, func(ctx context.Context) (err error) {
			n, err = loopOf(ctx).Sendfile(ctx, r.transport, f, 0, -1)
			return err
		})
		turns(ctx, 2)
		r.transport.Write([]byte("behind"))
		sending.Cancel()
		if _, err := sending.Await(ctx); !asyncio.IsCancelled(err) || n != 250 {
			t.Errorf("%d were sent, %v", n, err)
		}
		w.makeRoom(1000)
		turns(ctx, 2)
		if len(w.out) != 256 || !bytes.HasSuffix(w.out, []byte("behind")) {
			t.Errorf("%d bytes went out", len(w.out))
		}
	})
}

// A file that is read and written goes on from where it is, and says how far it
// has come.
func TestAFileThatIsCopiedSaysHowFarItHasCome(t *testing.T) {
	f := fileOf(t, pattern(300<<10))
	w := &wire{room: 100 << 10}
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := &recorder{}
		if err := asyncio.NewTransportOn(loopOf(ctx), w, r); err != nil {
			t.Fatal(err)
		}
		r.untilCall(ctx, "made")
		n := int64(-1)
		sending := asyncio.Go(ctx, func(ctx context.Context) (err error) {
			n, err = loopOf(ctx).Sendfile(ctx, r.transport, f, 5, 299<<10)
			return err
		})
		for r.transport.WriteBufferSize() <= 64<<10 {
			asyncio.Sleep(ctx, 0)
		}
		turns(ctx, 3)
		if got := r.transport.WriteBufferSize(); got != 192<<10-100<<10 {
			t.Errorf("%d bytes are queued", got)
		}
		w.broken, w.full = syscall.EPIPE, false
		w.end = io.EOF
		w.h.Ready(driver.Readable | driver.Writable | driver.Hangup)
		if _, err := sending.Await(ctx); n != 192<<10 || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%d were sent, %v", n, err)
		}
		if !bytes.HasPrefix(pattern(300 << 10)[5:], w.out) {
			t.Error("other bytes went out")
		}
		r.untilCall(ctx, "lost")
	})
}

// When a file is given up, what was to follow it follows at once, without an event.
func TestTheEndAfterAFileThatIsGivenUpIsNotHeldUp(t *testing.T) {
	f := fileOf(t, pattern(1000))
	w := &fileWire{most: 100}
	w.room = 100
	onFileWire(t, w, func(ctx context.Context, r *recorder) {
		sent := int64(0)
		sending := asyncio.Go(ctx, func(ctx context.Context) (err error) {
			sent, err = loopOf(ctx).Sendfile(ctx, r.transport, f, 0, -1)
			return err
		})
		turns(ctx, 2)
		if err := r.transport.WriteEOF(); err != nil || w.shut != 0 {
			t.Errorf("%v, shut %d times before the file was sent", err, w.shut)
		}
		sending.Cancel()
		if _, err := sending.Await(ctx); !asyncio.IsCancelled(err) || sent != 100 {
			t.Errorf("%d were sent, %v", sent, err)
		}
		turns(ctx, 2)
		if w.shut != 1 || len(w.out) != 100 {
			t.Errorf("shut %d times after %d bytes", w.shut, len(w.out))
		}
	})
}
