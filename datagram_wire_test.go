package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"pgregory.net/rapid"
)

// A packetWire is a datagram socket whose network and whose system are the test.
// It notes the calls that can do nothing, as a wire does.
type packetWire struct {
	driver.PacketConn
	local, remote net.Addr
	in            []string
	drained       bool
	out           []string
	to            []net.Addr
	room          int // for so many datagrams more
	full          bool
	fail          error  // of the next datagram that is sent, or received
	refuses       string // what cannot be sent
	inVain        []string
	tries, closed int
}

func (w *packetWire) note(ok bool, what string) {
	if !ok || w.closed > 0 {
		w.inVain = append(w.inVain, what)
	}
}

func (w *packetWire) failure() error {
	err := w.fail
	w.fail = nil
	return err
}

func (w *packetWire) ReadFrom(p []byte) (int, net.Addr, error) {
	w.note(!w.drained, "ReadFrom")
	if err := w.failure(); err != nil {
		return 0, nil, err
	}
	if len(w.in) == 0 {
		w.drained = true
		return 0, nil, driver.ErrWouldBlock
	}
	n := copy(p, w.in[0])
	w.in = w.in[1:]
	return n, textAddr("somebody"), nil
}

func (w *packetWire) WriteTo(p []byte, to net.Addr) (int, error) {
	w.note(!w.full, "WriteTo")
	w.tries++
	if w.room == 0 {
		w.full = true
		return 0, driver.ErrWouldBlock
	}
	w.room--
	if err := w.failure(); err != nil {
		return 0, err
	}
	if w.refuses != "" && string(p) == w.refuses {
		return 0, errRefusedHere
	}
	if w.refuses != "" && to == nil && w.remote == nil {
		return 0, syscall.EDESTADDRREQ
	}
	w.out, w.to = append(w.out, string(p)), append(w.to, to)
	return len(p), nil
}

func (w *packetWire) SyscallConn() (syscall.RawConn, error) { return nil, nil }
func (w *packetWire) Close() error                          { w.note(true, "Close"); w.closed++; return nil }
func (w *packetWire) LocalAddr() net.Addr                   { return w.local }
func (w *packetWire) RemoteAddr() net.Addr                  { return w.remote }

var errRefusedHere = fmt.Errorf("refused here: %w", syscall.EPERM)

// textAddr is an address that is its text.
type textAddr string

func (textAddr) Network() string  { return "udp" }
func (a textAddr) String() string { return string(a) }

// openPacketWire makes an endpoint on w.
func openPacketWire(ctx context.Context, w driver.PacketConn) (*mailbox, driver.Handler) {
	m := &mailbox{}
	h := asyncio.NewDatagramTransportOn(loopOf(ctx), w, m)
	m.untilCall(ctx, "made")
	turns(ctx, 2)
	return m, h
}

func TestADatagramEndpointMakesNoCallInVainAndHoldsItsProtocolUpByTheMarks(t *testing.T) {
	checkPacketWire(t, func(_ *rapid.T, w *packetWire) driver.PacketConn { return w })
}

// checkPacketWire does random things to endpoints on wires, as of returns them.
func checkPacketWire(t *testing.T, of func(*rapid.T, *packetWire) driver.PacketConn) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 9999), 1, 50).Draw(rt, "steps")
		connected, abort := rapid.Bool().Draw(rt, "connected"), rapid.Bool().Draw(rt, "abort")
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			randomPacketWire(rt, ctx, steps, connected, abort, of)
			return nil
		}, asyncio.WithVirtualClock(), asyncio.WithDebug(true), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			rt.Errorf("told %v", c.Err)
		}))
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func randomPacketWire(rt *rapid.T, ctx context.Context, steps []int, connected, abort bool, of func(*rapid.T, *packetWire) driver.PacketConn) {
	peer := textAddr("peer")
	w := &packetWire{local: textAddr("here")}
	if connected {
		w.remote = peer
	}
	m, h := openPacketWire(ctx, of(rt, w))
	tr := m.transport
	var sent, wantErrs []string
	queued, came := 0, 0
	var flow flowModel
	for i, step := range steps {
		kind, arg := step%10, step/10
		low, high := tr.WriteBufferLimits()
		before := tr.WriteBufferSize()
		switch kind {
		case 0, 1, 2, 3:
			p := string(pattern(arg * 3))
			if err := tr.SendTo([]byte(p), peer); err != nil {
				rt.Errorf("SendTo gave %v", err)
			}
			if queued > 0 || w.full {
				queued += len(p) + 8
			}
			sent = append(sent, p)
			flow.wrote(queued, high)
		case 4: // the network refuses one
			if queued == 0 && !w.full && w.room > 0 {
				w.fail = fmt.Errorf("refusal %d", i)
				wantErrs = append(wantErrs, w.fail.Error())
				if err := tr.SendTo([]byte("for nobody"), peer); err != nil {
					rt.Errorf("SendTo gave %v", err)
				}
			}
		case 5:
			for range arg % 40 {
				w.in = append(w.in, fmt.Sprint(i))
				came++
			}
			w.drained = false
			h.Ready(driver.Readable)
		case 6, 7:
			w.room += arg % 12
			if w.full && w.room > 0 {
				w.full = false
				h.Ready(driver.Writable)
			}
		case 8:
			tr.SetWriteBufferLimits(arg*3%2000-1, arg*7-1)
			_, high = tr.WriteBufferLimits()
			flow.limits(queued, high)
		case 9: // the network tells of a refusal, with an event of no room
			w.fail, w.drained = fmt.Errorf("refusal %d", i), false
			wantErrs = append(wantErrs, w.fail.Error())
			h.Ready(driver.Hangup)
		}
		_ = before
		turns(ctx, 4+len(w.in)/16)
		queued = 0
		for _, p := range sent[len(w.out):] {
			queued += len(p) + 8
		}
		if kind == 6 || kind == 7 {
			flow.sent(queued, low)
		}
		if got := tr.WriteBufferSize(); got != queued {
			rt.Fatalf("step %d: %d bytes are queued, and not %d", i, got, queued)
		}
		if !flow.agrees(m.calls) {
			rt.Fatalf("step %d: with %d queued of %d to %d the calls were %v", i, queued, low, high, m.calls)
		}
		if len(m.got) != came || len(m.errs) != len(wantErrs) {
			rt.Fatalf("step %d: received %d of %d, %d errors of %d", i, len(m.got), came, len(m.errs), len(wantErrs))
		}
	}
	if abort {
		tr.Abort()
	} else {
		tr.Close()
		if queued > 0 {
			turns(ctx, 3)
			if w.closed > 0 {
				rt.Errorf("closed with %d bytes unsent", queued)
			}
			w.room, w.full = len(sent), false
			h.Ready(driver.Writable)
		}
	}
	m.untilCall(ctx, "lost")
	h.Ready(driver.Readable | driver.Writable) // the driver may not have known
	turns(ctx, 2)
	for i, err := range m.errs {
		if err.Error() != wantErrs[i] {
			rt.Errorf("the error %d was %v", i, err)
		}
	}
	for _, to := range w.to {
		if connected && to != nil || !connected && to != peer {
			rt.Errorf("connected %v, and it went to %v", connected, to)
		}
	}
	switch {
	case w.closed != 1 || m.lost != nil:
		rt.Errorf("closed %d times, lost with %v", w.closed, m.lost)
	case len(w.inVain) > 0:
		rt.Errorf("made in vain: %v", w.inVain)
	case !abort && !slices.Equal(w.out, sent) || abort && !slices.Equal(w.out, sent[:len(w.out)]):
		rt.Errorf("%d of %d were sent, or others", len(w.out), len(sent))
	case tr.WriteBufferSize() != 0 || !tr.IsClosing():
		rt.Errorf("%d bytes are queued, closing %v", tr.WriteBufferSize(), tr.IsClosing())
	case m.calls[0] != "made" || slices.Index(m.calls, "lost") != len(m.calls)-1:
		rt.Errorf("the calls were %v", m.calls)
	}
}

// The system does not say when another unix socket has room again.
func TestAUnixSocketWhoseReceiverIsFullTriesAgainAfterAWhile(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			name          string
			local, remote net.Addr
			retries       bool
		}{
			{"with a name", &net.UnixAddr{Name: "here", Net: "unixgram"}, nil, true},
			{"without a name", nil, nil, true},
			{"connected", nil, &net.UnixAddr{Name: "there", Net: "unixgram"}, false},
			{"of UDP", &net.UDPAddr{Port: 1}, nil, false},
		} {
			w := &packetWire{local: c.local, remote: c.remote}
			m, _ := openPacketWire(ctx, w)
			to := &net.UnixAddr{Name: "there", Net: "unixgram"}
			m.send(t, "one", to)
			m.send(t, "two", to)
			if w.tries != 1 {
				t.Errorf("%s: %d attempts at first", c.name, w.tries)
			}
			for i := range 3 {
				w.full = false
				asyncio.Sleep(ctx, 4*time.Millisecond)
				if w.tries != 1+i && c.retries {
					t.Errorf("%s: %d attempts after %d times 5 ms and 4", c.name, w.tries, i)
				}
				asyncio.Sleep(ctx, time.Millisecond)
				turns(ctx, 2)
				if c.retries != (w.tries == 2+i) || !c.retries && w.tries != 1 {
					t.Errorf("%s: %d attempts after %d times 5 ms", c.name, w.tries, i+1)
				}
			}
			timers := loopOf(ctx).Stats().Timers
			m.transport.Abort()
			m.untilCall(ctx, "lost")
			if left := loopOf(ctx).Stats().Timers; c.retries && left != timers-1 {
				t.Errorf("%s: %d timers are left of %d", c.name, left, timers)
			}
		}
	})
}

func TestWhatACallOfSendToGetsWrongIsItsError(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), room: 100}
		m, _ := openPacketWire(ctx, w)
		for _, err := range []error{syscall.EISCONN, syscall.EDESTADDRREQ, &net.AddrError{Err: "of another family"}} {
			w.fail = err
			if got := m.transport.SendTo(nil, nil); !errors.Is(got, err) {
				t.Errorf("%v: SendTo gave %v", err, got)
			}
		}
		w.fail = syscall.ENETUNREACH
		if err := m.transport.SendTo(nil, nil); err != nil {
			t.Errorf("SendTo gave %v", err)
		}
		turns(ctx, 2)
		if len(m.errs) != 1 || m.errs[0] != syscall.ENETUNREACH || m.transport.WriteBufferSize() != 0 {
			t.Errorf("told %v, %d bytes are queued", m.errs, m.transport.WriteBufferSize())
		}
		closeMailboxes(t, ctx, m)
		if err := m.transport.SendTo(nil, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end SendTo gave %v", err)
		}
	})
}

func TestOfVeryManyErrorsOfDatagramsTheLastAreTold(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), room: 1000}
		m, _ := openPacketWire(ctx, w)
		for i := range 100 {
			w.fail = fmt.Errorf("refusal %d", i)
			m.send(t, "x", textAddr("peer"))
		}
		turns(ctx, 2)
		if len(m.errs) != 64 || m.errs[0].Error() != "refusal 36" || m.errs[63].Error() != "refusal 99" {
			t.Errorf("%d were told: %v", len(m.errs), m.errs)
		}
		closeMailboxes(t, ctx, m)
	})
}
