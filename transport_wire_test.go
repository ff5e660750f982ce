package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"pgregory.net/rapid"
)

// A wire is a connection whose peer and whose system are the test. It notes the
// calls that can do nothing: a read after one that took all there was, or a write
// after one that found no room, before the handler was told of more; and all calls
// after the end.
type wire struct {
	driver.Conn
	h driver.Handler

	in      []byte // what the peer has sent
	end     error  // what comes after that
	drained bool   // a read took all of it

	out    []byte // what was written
	room   int    // for so much more
	full   bool   // a write found no room
	short  bool   // a write took less than it was given
	broken error  // what every write gives

	inVain                        []string
	shut, closed, reset, discards int
}

func (w *wire) note(ok bool, what string) {
	if !ok || w.closed > 0 {
		w.inVain = append(w.inVain, what)
	}
}

func (w *wire) Start(h driver.Handler) error { w.h = h; return nil }

func (w *wire) Read(p []byte) (int, error) {
	w.note(!w.drained && len(p) > 0, "Read")
	n := copy(p, w.in)
	w.in = w.in[n:]
	switch {
	case n == 0 && w.end != nil:
		return 0, w.end
	case n == 0:
		w.drained = true
		return 0, driver.ErrWouldBlock
	case n < len(p) && w.end == nil:
		w.drained = true
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.note(!w.full && w.shut == 0, "Write")
	return w.take(p)
}

func (w *wire) Writev(bufs [][]byte) (int, error) {
	w.note(!w.full && w.shut == 0 && len(bufs) > 0, "Writev")
	return w.take(slices.Concat(bufs...))
}

func (w *wire) take(p []byte) (int, error) {
	if w.broken != nil {
		return 0, w.broken
	}
	n := min(len(p), w.room)
	w.out = append(w.out, p[:n]...)
	w.room -= n
	w.short = n < len(p)
	if n == 0 {
		w.full = true
		return 0, driver.ErrWouldBlock
	}
	return n, nil
}

func (w *wire) CloseWrite() error { w.note(w.shut == 0, "CloseWrite"); w.shut++; return nil }
func (w *wire) Close() error      { w.note(true, "Close"); w.closed++; return nil }
func (w *wire) Reset()            { w.note(true, "Reset"); w.reset++ }
func (w *wire) Discard([]byte)    { w.note(true, "Discard"); w.discards++ }

func (w *wire) LocalAddr() net.Addr  { return textAddr("here") }
func (w *wire) RemoteAddr() net.Addr { return textAddr("there") }

// feed is the peer that sends.
func (w *wire) feed(p []byte) {
	w.in, w.drained = append(w.in, p...), false
	w.h.Ready(driver.Readable)
}

// finish is the peer that sends nothing more.
func (w *wire) finish(err error) {
	w.end, w.drained = err, false
	w.h.Ready(driver.Readable | driver.Hangup)
}

// makeRoom is the peer that reads.
func (w *wire) makeRoom(n int) {
	w.room += n
	if w.full || w.short {
		w.full, w.short = false, false
		w.h.Ready(driver.Writable)
	}
}

// A smallRecorder is a recorder with a small buffer of its own.
type smallRecorder struct {
	*recorder
	buf [16]byte
}

func (r *smallRecorder) GetBuffer(int) []byte { return r.buf[:] }
func (r *smallRecorder) BufferUpdated(n int)  { r.DataReceived(r.buf[:n]) }

// A flowModel is how a protocol should have been held up.
type flowModel struct{ paused bool }

func (m *flowModel) wrote(queued, high int)  { m.paused = m.paused || queued > high }
func (m *flowModel) sent(queued, low int)    { m.paused = m.paused && queued > low }
func (m *flowModel) limits(queued, high int) { m.paused = queued > high }

// agrees reports whether the last that a protocol was told of it is so.
func (m *flowModel) agrees(calls []string) bool {
	for _, call := range slices.Backward(calls) {
		if call == "pause" || call == "resume" {
			return m.paused == (call == "pause")
		}
	}
	return !m.paused
}

func TestATransportMakesNoCallInVainAndHoldsItsProtocolUpByTheMarks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		buffered := rapid.Bool().Draw(rt, "buffered")
		steps := rapid.SliceOfN(rapid.IntRange(0, 9999), 1, 50).Draw(rt, "steps")
		end := rapid.IntRange(0, 5).Draw(rt, "end")
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			return randomWire(rt, ctx, buffered, steps, end)
		}, asyncio.WithVirtualClock(), asyncio.WithDebug(true), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			rt.Errorf("told %v", c.Err)
		}))
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func randomWire(rt *rapid.T, ctx context.Context, buffered bool, steps []int, end int) error {
	w, r := &wire{}, &recorder{keepOpen: true}
	var p asyncio.Protocol = r
	atOnce := 256 << 10 // is read in a turn
	if buffered {
		small := &smallRecorder{recorder: r}
		p, atOnce = small, len(small.buf)
	}
	if err := asyncio.NewTransportOn(loopOf(ctx), w, p); err != nil {
		return err
	}
	turns(ctx, 2)
	tr := r.transport
	var wrote, sent []byte
	var flow flowModel
	reading := true
	write := func(p []byte) {
		if _, err := tr.Write(p); err != nil {
			rt.Errorf("Write gave %v", err)
		}
		wrote = append(wrote, p...)
	}
	for i, step := range steps {
		kind, arg := step%12, step/12
		low, high := tr.WriteBufferLimits()
		switch kind {
		case 0, 1, 2:
			write(pattern(arg * arg / 4))
			flow.wrote(tr.WriteBufferSize(), high)
		case 3:
			p := pattern(arg)
			tr.WriteLines(p[:arg/3], nil, p[arg/3:])
			wrote = append(wrote, p...)
			flow.wrote(tr.WriteBufferSize(), high)
		case 4, 5:
			p := pattern(arg % 100)
			if arg > 780 {
				p = pattern(atOnce + arg*5) // more than is read at a time
			}
			if len(p) > 0 {
				sent = append(sent, p...)
				w.feed(p)
			}
		case 6, 7:
			w.makeRoom(arg * arg / 3)
		case 8:
			tr.PauseReading()
			reading = false
		case 9:
			tr.ResumeReading()
			reading = true
		case 10:
			tr.SetWriteBufferLimits(arg%40-1, arg*arg/2-1)
			_, high = tr.WriteBufferLimits()
			flow.limits(tr.WriteBufferSize(), high)
		case 11: // a driver may tell more than there is
			e := driver.Event(1 + arg%3)
			if e&driver.Readable != 0 {
				w.drained = false
			}
			if e&driver.Writable != 0 {
				w.full = false
			}
			w.h.Ready(e)
		}
		before := len(r.data)
		turns(ctx, 3+len(w.in)/atOnce)
		if kind == 6 || kind == 7 || kind == 11 {
			flow.sent(tr.WriteBufferSize(), low)
		}
		if got := tr.WriteBufferSize(); got != len(wrote)-len(w.out) {
			rt.Fatalf("step %d: %d bytes are queued, and not %d", i, got, len(wrote)-len(w.out))
		}
		if reading && len(r.data) != len(sent) || !reading && kind != 8 && len(r.data) != before {
			rt.Fatalf("step %d: reading %v, and received %d of %d, %d before", i, reading, len(r.data), len(sent), before)
		}
		if !flow.agrees(r.calls) {
			rt.Fatalf("step %d: with %d queued the calls were %v", i, tr.WriteBufferSize(), r.calls)
		}
	}
	tr.ResumeReading()
	turns(ctx, 3+len(w.in)/atOnce)
	unsent := tr.WriteBufferSize() > 0
	var wantLost error
	wantShut, wantReset := 0, 0
	open := func(what string) {
		turns(ctx, 3)
		if w.closed > 0 || w.shut > 0 {
			rt.Errorf("%s, and with %d bytes unsent it is shut %d, closed %d", what, tr.WriteBufferSize(), w.shut, w.closed)
		}
	}
	switch end {
	case 0: // the end of both halves
		tr.WriteEOF()
		if unsent {
			open("WriteEOF")
			w.makeRoom(len(wrote))
		}
		turns(ctx, 3)
		w.finish(io.EOF)
		turns(ctx, 3)
		tr.Close()
		wantShut = 1
	case 1:
		tr.Close()
		if unsent {
			open("Close")
			w.makeRoom(len(wrote))
		}
	case 2:
		tr.Abort()
		if unsent {
			wantReset = 1
		}
	case 3: // the peer resets
		w.finish(syscall.ECONNRESET)
		wantLost = syscall.ECONNRESET
		if unsent {
			wantReset = 1
		}
	case 4: // writing fails; what has come is received
		sent = append(sent, "last words"...)
		w.broken, w.full = syscall.EPIPE, false
		w.in, w.end, w.drained = []byte("last words"), io.EOF, false
		w.h.Ready(driver.Readable | driver.Writable | driver.Hangup)
		if !unsent {
			if n, err := tr.Write([]byte("x")); n != 0 || err != syscall.EPIPE {
				rt.Errorf("Write gave %d, %v", n, err)
			}
		}
		wantLost = syscall.EPIPE
	case 5: // the end of the other half, and then of this
		r.keepOpen = false
		w.finish(io.EOF)
		if unsent {
			open("the peer's end")
			w.makeRoom(len(wrote))
		}
	}
	r.untilCall(ctx, "lost")
	turns(ctx, 2)
	switch {
	case w.closed != 1 || w.shut != wantShut || w.reset != wantReset:
		rt.Errorf("end %d: it was closed %d, shut %d, reset %d times", end, w.closed, w.shut, w.reset)
	case !errors.Is(r.lost, wantLost):
		rt.Errorf("end %d: lost with %v", end, r.lost)
	case !bytes.Equal(r.data, sent):
		rt.Errorf("end %d: received %d bytes of %d, or others", end, len(r.data), len(sent))
	case (end == 0 || end == 1 || end == 5) && !bytes.Equal(w.out, wrote):
		rt.Errorf("end %d: %d bytes of %d went out, or others", end, len(w.out), len(wrote))
	case !bytes.HasPrefix(wrote, w.out):
		rt.Errorf("end %d: what went out was not written so", end)
	case len(w.inVain) > 0:
		rt.Errorf("end %d: made in vain: %v", end, w.inVain)
	case !legal(r.calls):
		rt.Errorf("end %d: the calls were %v", end, r.calls)
	case tr.WriteBufferSize() != 0 || !tr.IsClosing() || tr.IsReading():
		rt.Errorf("end %d: %d bytes are queued, closing %v, reading %v", end, tr.WriteBufferSize(), tr.IsClosing(), tr.IsReading())
	}
	return nil
}

func TestWaterMarksStandForOneAnother(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := &recorder{}
		if err := asyncio.NewTransportOn(loopOf(ctx), &wire{}, r); err != nil {
			t.Fatal(err)
		}
		r.untilCall(ctx, "made")
		for _, c := range []struct{ low, high, wantLow, wantHigh int }{
			{-1, -1, 16 << 10, 64 << 10},
			{100, -1, 100, 400},
			{0, -1, 0, 0},
			{-1, 100, 25, 100},
			{-1, 0, 0, 0},
			{0, 0, 0, 0},
			{10, 20, 10, 20},
			{20, 20, 20, 20},
			{21, 20, 5, 20},
		} {
			r.transport.SetWriteBufferLimits(c.low, c.high)
			if low, high := r.transport.WriteBufferLimits(); low != c.wantLow || high != c.wantHigh {
				t.Errorf("%d, %d made the marks %d, %d", c.low, c.high, low, high)
			}
		}
		r.transport.Abort()
		r.untilCall(ctx, "lost")
	})
}

// What was there before the driver has told of anything is read, too.
func TestATransportReadsWhatIsThereAtFirst(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w, r := &wire{in: []byte("early")}, &recorder{}
		if err := asyncio.NewTransportOn(loopOf(ctx), w, r); err != nil {
			t.Fatal(err)
		}
		turns(ctx, 3)
		r.check(t, "made", "data")
		if low, high := r.transport.WriteBufferLimits(); low != 16<<10 || high != 64<<10 || r.transport.WriteBufferSize() != 0 {
			t.Errorf("the marks are %d and %d, %d bytes are queued", low, high, r.transport.WriteBufferSize())
		}
		// What has broken is told once, and the rest of what was written is forgotten.
		r.transport.Write(make([]byte, 100<<10))
		w.broken = syscall.ECONNRESET
		if n := r.transport.WriteBufferSize(); n != 100<<10 {
			t.Errorf("%d bytes are queued", n)
		}
		w.full = false
		w.h.Ready(driver.Writable)
		r.untilCall(ctx, "lost")
		if n, err := r.transport.Write([]byte("x")); n != 0 || err != syscall.ECONNRESET {
			t.Errorf("Write gave %d, %v", n, err)
		}
		if n, err := r.transport.WriteLines([]byte("x"), []byte("y")); n != 0 || err != syscall.ECONNRESET {
			t.Errorf("WriteLines gave %d, %v", n, err)
		}
		if err := r.transport.WriteEOF(); err != syscall.ECONNRESET {
			t.Errorf("WriteEOF gave %v", err)
		}
		r.check(t, "made", "data", "pause", "lost")
		if r.lost != syscall.ECONNRESET || r.transport.WriteBufferSize() != 0 || w.closed != 1 {
			t.Errorf("lost with %v, %d bytes are queued, closed %d times", r.lost, r.transport.WriteBufferSize(), w.closed)
		}
	})
}
