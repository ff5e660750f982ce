package asyncio_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A sizesWire is a batchWire that notes how many datagrams left with each call.
type sizesWire struct {
	batchWire
	sizes []int
}

func (w *sizesWire) WriteTo(p []byte, to net.Addr) (int, error) {
	w.sizes = append(w.sizes, 1)
	return w.batchWire.WriteTo(p, to)
}

func (w *sizesWire) WriteBatch(ds []driver.Datagram) (int, error) {
	n, err := w.batchWire.WriteBatch(ds)
	w.sizes = append(w.sizes, n)
	return n, err
}

// answering makes an endpoint that answers each datagram with so many bytes, and lets
// time go by.
func answering(t *testing.T, ctx context.Context, k *asyncio.Clock, size int, takes time.Duration) (*sizesWire, *mailbox, driver.Handler) {
	t.Helper()
	w := &sizesWire{batchWire: batchWire{packetWire: &packetWire{local: textAddr("here"), room: 1 << 20}, chunk: 128}}
	m, h := openPacketWire(ctx, w)
	n := 0
	m.on = map[string]func(){"data": func() {
		p := bytes.Repeat([]byte{byte(n)}, size)
		n++
		m.send(t, string(p), m.from)
		k.Pass(takes)
	}}
	return w, m, h
}

func TestAnswersAreGatheredUpToANumberAndASize(t *testing.T) {
	k := asyncio.NewClock()
	runOn(t, asyncio.WithClock(k), func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			n, size int
			want    []int
		}{
			{2, 1, []int{2}},
			{64, 1, []int{64}},
			{65, 1, []int{64, 1}},
			{128, 0, []int{64, 64}},
			{100, 1, []int{64, 36}},
			{8, 8 << 10, []int{8}},
			{9, 8 << 10, []int{8, 1}},
			{10, 8<<10 - 1, []int{8, 2}},
			{3, 8<<10 + 1, []int{1, 1, 1}},
			{1, 1, []int{1}},
		} {
			w, m, h := answering(t, ctx, k, c.size, 0)
			w.come(h, slices.Repeat([]string{"x"}, c.n)...)
			turns(ctx, 3)
			if !slices.Equal(w.sizes, c.want) {
				t.Errorf("%d answers of %d bytes left in %v, and not in %v", c.n, c.size, w.sizes, c.want)
			}
			for i, p := range w.out {
				if p != string(bytes.Repeat([]byte{byte(i)}, c.size)) {
					t.Errorf("answer %d is another one", i)
				}
			}
			closeMailboxes(t, ctx, m)
		}
	})
}

// What is late leaves, and who is slow gathers nothing more.
func TestAnswersWaitNoLongerThanTheyMay(t *testing.T) {
	const µs = time.Microsecond
	k := asyncio.NewClock()
	runOn(t, asyncio.WithClock(k), func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			takes       time.Duration
			want, again []int // then with callbacks that take no time, twice
		}{
			{0, []int{20}, []int{20, 20}},
			{2 * µs, []int{20}, []int{20, 20}},
			{10 * µs, []int{9, 8, 3}, []int{20, 20}},
			{10*µs + 1, append([]int{5}, slices.Repeat([]int{1}, 15)...), append(slices.Repeat([]int{1}, 20), 20)},
			{50 * µs, slices.Repeat([]int{1}, 20), append(slices.Repeat([]int{1}, 20), 20)},
		} {
			w, m, h := answering(t, ctx, k, 1, c.takes)
			come := func() []int {
				w.sizes = nil
				w.come(h, slices.Repeat([]string{"x"}, 20)...)
				turns(ctx, 3)
				return w.sizes
			}
			if got := come(); !slices.Equal(got, c.want) {
				t.Errorf("of callbacks of %v answers left in %v, and not in %v", c.takes, got, c.want)
			}
			m.on["data"] = func() { m.send(t, "answer", m.from) }
			if got := append(come(), come()...); !slices.Equal(got, c.again) {
				t.Errorf("after callbacks of %v answers left in %v, and not in %v", c.takes, got, c.again)
			}
			closeMailboxes(t, ctx, m)
		}
	})
}

// Answers for which there is no room stay in their order.
func TestAnswersForWhichThereIsNoRoomAreQueued(t *testing.T) {
	k := asyncio.NewClock()
	runOn(t, asyncio.WithClock(k), func(t *testing.T, ctx context.Context) {
		for _, room := range []int{0, 10, 64} {
			w, m, h := answering(t, ctx, k, 1, 0)
			w.room = room
			w.come(h, slices.Repeat([]string{"x"}, 70)...)
			turns(ctx, 3)
			if n := m.transport.WriteBufferSize(); len(w.out) != room || n != 9*(70-room) {
				t.Errorf("with room for %d of 70 answers %d were sent, %d bytes are queued", room, len(w.out), n)
			}
			w.room, w.full = 100, false
			h.Ready(driver.Writable)
			turns(ctx, 3)
			for i, p := range w.out {
				if p != string(rune(i)) {
					t.Fatalf("with room for %d the answer %d is %q", room, i, p)
				}
			}
			if len(w.out) != 70 || len(w.inVain) > 0 {
				t.Errorf("with room for %d of 70 answers %d were sent in the end; in vain: %v", room, len(w.out), w.inVain)
			}
			closeMailboxes(t, ctx, m)
		}
	})
}

// So many are told in a turn: what was read together costs less.
func TestDatagramsAreToldInTurns(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			n, chunk int // 0: one by one
			want     []int
		}{
			{40, 0, []int{16, 32, 40}},
			{40, 1, []int{16, 32, 40}},
			{40, 5, []int{20, 40, 40}},
			{32, 16, []int{16, 32, 32}},
			{128, 128, []int{128, 128}},
			{200, 200, []int{128, 144, 160, 176, 192, 200}},
			{150, 130, []int{128, 150, 150}},
		} {
			w := &packetWire{local: textAddr("here")}
			var conn driver.PacketConn = w
			if c.chunk > 0 {
				conn = &batchWire{packetWire: w, chunk: c.chunk}
			}
			m, h := openPacketWire(ctx, conn)
			var all []string
			for i := range c.n {
				all = append(all, fmt.Sprint(i))
			}
			w.come(h, all...)
			for i, want := range c.want {
				asyncio.Sleep(ctx, 0)
				if len(m.got) != want {
					t.Errorf("%d in batches of %d: after %d turns %d were told, and not %d", c.n, c.chunk, i+1, len(m.got), want)
				}
			}
			if !slices.Equal(m.got, all) || len(w.inVain) > 0 {
				t.Errorf("%d in batches of %d: others were told; in vain: %v", c.n, c.chunk, w.inVain)
			}
			closeMailboxes(t, ctx, m)
		}
	})
}

// Who asks for the socket, or how much is queued, finds the answers sent.
func TestAnswersAreSentBeforeAnythingIsAskedOfTheSocket(t *testing.T) {
	k := asyncio.NewClock()
	runOn(t, asyncio.WithClock(k), func(t *testing.T, ctx context.Context) {
		for name, ask := range map[string]func(asyncio.DatagramTransport){
			"SyscallConn":     func(tr asyncio.DatagramTransport) { tr.SyscallConn() },
			"WriteBufferSize": func(tr asyncio.DatagramTransport) { tr.WriteBufferSize() },
			"SendBatch":       func(tr asyncio.DatagramTransport) { tr.SendBatch(nil) },
		} {
			w, m, h := answering(t, ctx, k, 1, 0)
			answer, n := m.on["data"], 0
			m.on["data"] = func() {
				if n++; n == 4 {
					ask(m.transport)
					if len(w.out) != 3 {
						t.Errorf("%s: of 3 answers %d were sent", name, len(w.out))
					}
				}
				answer()
			}
			w.come(h, slices.Repeat([]string{"x"}, 6)...)
			turns(ctx, 3)
			if len(w.out) != 6 {
				t.Errorf("%s: of 6 answers %d were sent in the end", name, len(w.out))
			}
			closeMailboxes(t, ctx, m)
		}
	})
}
