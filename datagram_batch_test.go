package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"pgregory.net/rapid"
)

// A batchWire is a packetWire that reads and writes datagrams together, chunk at a
// time. What it has lent it spoils when that is given back.
type batchWire struct {
	*packetWire
	chunk       int
	lent        int
	writes      int // calls of WriteBatch
	sentInBatch int
}

func (w *batchWire) ReadBatch() (*driver.Batch, error) {
	b := &driver.Batch{}
	for len(b.Datagrams) < w.chunk {
		p := make([]byte, 64<<10)
		n, from, err := w.ReadFrom(p)
		if err == driver.ErrWouldBlock && len(b.Datagrams) > 0 {
			b.Drained = true
			break
		}
		if err != nil {
			return nil, err
		}
		b.Datagrams = append(b.Datagrams, driver.Datagram{Data: p[:n], Addr: from})
		if w.fail != nil {
			break
		}
	}
	w.lent++
	b.Free = func() {
		w.lent--
		for _, d := range b.Datagrams {
			for i := range d.Data {
				d.Data[i] = '?'
			}
		}
	}
	return b, nil
}

func (w *batchWire) WriteBatch(ds []driver.Datagram) (int, error) {
	w.writes++
	for i, d := range ds {
		if _, err := w.WriteTo(d.Data, d.Addr); err != nil {
			return i, err
		}
		w.sentInBatch++
	}
	return len(ds), nil
}

func TestADatagramEndpointThatReadsBatchesMakesNoCallInVainEither(t *testing.T) {
	checkPacketWire(t, func(rt *rapid.T, w *packetWire) driver.PacketConn {
		return &batchWire{packetWire: w, chunk: rapid.IntRange(1, 200).Draw(rt, "chunk")}
	})
}

// A scripted protocol does with each datagram what that says.
type scripted struct {
	mailbox
	conn *packetWire
}

func (s *scripted) DatagramReceived(data []byte, from net.Addr) {
	s.mailbox.DatagramReceived(data, from)
	tr := s.transport
	what, _, _ := strings.Cut(string(data), " ")
	for _, c := range what {
		var err error
		switch c {
		case 'a':
			err = tr.SendTo(data, from)
			clear(data) // it is the endpoint's, but not before the call has ended
		case 'o':
			err = tr.SendTo(data, textAddr("another"))
		case 'e':
			err = tr.SendTo([]byte("refused"), from)
		case 'n':
			err = tr.SendTo(data, nil)
		case 'b':
			_, err = tr.SendBatch([]asyncio.Datagram{{Data: []byte("one"), Addr: from}, {Data: []byte("refused"), Addr: from}, {Data: data, Addr: textAddr("another")}})
		case 's':
			s.calls = append(s.calls, fmt.Sprint("size ", tr.WriteBufferSize(), len(s.conn.out)))
		case 'c':
			tr.Close()
		case 'x':
			tr.Abort()
		case 'p':
			panic("a panic of the protocol")
		}
		if err != nil {
			s.calls = append(s.calls, err.Error())
		}
	}
}

// scriptedRun plays a script to an endpoint, and returns all that could be seen.
func scriptedRun(rt *rapid.T, ctx context.Context, script []string, rooms []int, of func(*packetWire) driver.PacketConn) []string {
	w := &packetWire{local: textAddr("here"), refuses: "refused"}
	s := &scripted{conn: w}
	h := asyncio.NewDatagramTransportOn(loopOf(ctx), of(w), s)
	s.untilCall(ctx, "made")
	turns(ctx, 2)
	for _, room := range rooms {
		n := min(len(script), room%50)
		w.in, script = append(w.in, script[:n]...), script[n:]
		w.drained = false
		w.room += room
		w.full = false
		h.Ready(driver.Readable | driver.Writable)
		turns(ctx, 10)
	}
	s.transport.Abort()
	s.untilCall(ctx, "lost")
	if len(w.inVain) > 0 {
		rt.Errorf("made in vain: %v", w.inVain)
	}
	seen := []string{fmt.Sprint("lost ", s.lost != nil), fmt.Sprint(w.closed)}
	for _, c := range s.calls { // they are told in turns, and more may go into one
		if c != "data" && c != "error" {
			seen = append(seen, c)
		}
	}
	for i, p := range w.out {
		seen = append(seen, fmt.Sprintf("out %q to %v", p, w.to[i]))
	}
	for _, e := range s.errs {
		seen = append(seen, e.Error())
	}
	for _, g := range s.got {
		seen = append(seen, "in "+g)
	}
	return seen
}

func TestBatchesOfDatagramsAreWhatSingleOnesAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "a", "a", "aa", "o", "ao", "ae", "b", "as", "e", "c", "ac", "an", "n", "x", "ax", "p", "ap"}), 0, 120).Draw(rt, "script")
		if !rapid.Bool().Draw(rt, "ends") {
			words = slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "cxp") })
		}
		script := make([]string, len(words))
		for i, w := range words {
			script[i] = fmt.Sprint(w, " ", i)
		}
		rooms := rapid.SliceOfN(rapid.IntRange(0, 120), 1, 6).Draw(rt, "rooms")
		chunk := rapid.IntRange(1, 150).Draw(rt, "chunk")
		run := func(of func(*packetWire) driver.PacketConn) (seen []string) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				seen = scriptedRun(rt, ctx, script, rooms, of)
				return nil
			}, asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
			if err != nil {
				rt.Fatal(err)
			}
			return seen
		}
		single := run(func(w *packetWire) driver.PacketConn { return w })
		together := run(func(w *packetWire) driver.PacketConn { return &batchWire{packetWire: w, chunk: chunk} })
		if !slices.Equal(single, together) {
			rt.Errorf("one by one:\n\t%s\ntogether:\n\t%s", strings.Join(single, "\n\t"), strings.Join(together, "\n\t"))
		}
	})
}

func TestAnswersToDatagramsThatCameTogetherLeaveTogetherAndSingleOnesAtOnce(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &batchWire{packetWire: &packetWire{local: textAddr("here"), room: 100}, chunk: 8}
		s := &scripted{conn: w.packetWire}
		h := asyncio.NewDatagramTransportOn(loopOf(ctx), w, s)
		s.untilCall(ctx, "made")
		turns(ctx, 2)
		w.in, w.drained = []string{"as"}, false
		h.Ready(driver.Readable)
		turns(ctx, 2)
		if w.writes != 0 || len(w.out) != 1 {
			t.Errorf("a single one was sent in %d batches, %d in all", w.writes, len(w.out))
		}
		// A slow machine may take an answer for late, and send it before the others.
		for range 100 {
			w.in, w.drained = slices.Repeat([]string{"a"}, 8), false
			w.out, w.room, w.sentInBatch = nil, 8, 0
			h.Ready(driver.Readable)
			turns(ctx, 2)
			if len(w.out) != 8 {
				t.Fatalf("%d answers to 8 were sent", len(w.out))
			}
			if w.sentInBatch == 8 {
				break
			}
		}
		if w.sentInBatch != 8 || w.lent != 0 {
			t.Errorf("%d of 8 answers left together, %d batches are held", w.sentInBatch, w.lent)
		}
		if _, err := s.transport.SyscallConn(); err != nil {
			t.Error(err)
		}
		w.writes = 0
		w.in, w.drained, w.room = slices.Repeat([]string{"a"}, 8), false, 8
		h.Ready(driver.Readable)
		turns(ctx, 2)
		if w.writes != 0 {
			t.Error("they left together, and a user has the socket")
		}
		closeMailboxes(t, ctx, &s.mailbox)
	})
}

// A callback that computes holds its own answer up, and none after it.
func TestAnswersOfSlowCallbacksDoNotWaitForOthers(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		w := &batchWire{packetWire: &packetWire{local: textAddr("here"), room: 100}, chunk: 8}
		m, h := openPacketWire(ctx, w)
		sent := 0
		m.on = map[string]func(){"data": func() {
			if len(w.out) < sent {
				t.Errorf("%d of %d were sent", len(w.out), sent)
			}
			m.send(t, "answer", m.from)
			sent++
			for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
			}
		}}
		for range 3 {
			w.in, w.drained = slices.Repeat([]string{"x"}, 8), false
			h.Ready(driver.Readable)
			turns(ctx, 2)
		}
		if len(w.out) != 24 || w.writes > 0 {
			t.Errorf("%d were sent, some in %d batches", len(w.out), w.writes)
		}
		closeMailboxes(t, ctx, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSendBatchSendsWhatSendToWould(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "udp4")
		var want []string
		var batch []asyncio.Datagram
		for i := range 100 {
			p := strings.Repeat("x", 1+i/7)
			want = append(want, p)
			batch = append(batch, asyncio.Datagram{Data: []byte(p)})
			if i%2 == 0 {
				batch[i].Addr = server.transport.LocalAddr() // which is the remote one
			}
		}
		if n, err := client.transport.SendBatch(batch[:60]); n != 60 || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		server.untilGot(ctx, 60)
		if n, err := client.transport.SendBatch(batch[60:]); n != 40 || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		server.untilGot(ctx, 100)
		if !slices.Equal(server.got, want) {
			t.Errorf("%d came, or others", len(server.got))
		}
		bad := []asyncio.Datagram{
			{Data: []byte("one"), Addr: client.transport.LocalAddr()},
			{Data: []byte("two"), Addr: &net.UnixAddr{Name: "x", Net: "unixgram"}},
			{Data: []byte("three"), Addr: client.transport.LocalAddr()},
		}
		if n, err := server.transport.SendBatch(bad); n != 1 || !errors.As(err, new(*net.AddrError)) {
			t.Errorf("with a wrong address it sent %d, %v", n, err)
		}
		if n, err := server.transport.SendBatch(bad[2:]); n != 1 || err != nil {
			t.Errorf("after that it sent %d, %v", n, err)
		}
		client.untilGot(ctx, 2)
		if !slices.Equal(client.got, []string{"one", "three"}) {
			t.Errorf("%q came", client.got)
		}
		if n, err := client.transport.SendBatch(nil); n != 0 || err != nil {
			t.Errorf("of none it sent %d, %v", n, err)
		}
		closeMailboxes(t, ctx, server, client)
		if n, err := client.transport.SendBatch(batch); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end it sent %d, %v", n, err)
		}
	})
}

// What a PacketConn has no room for stays, and is read in its order.
func TestAPacketConnKeepsWhatABatchBroughtBeyondItsRoom(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &batchWire{packetWire: &packetWire{local: textAddr("here"), remote: textAddr("there")}, chunk: 100}
		c, h := asyncio.NewPacketConnOn(loopOf(ctx), w)
		turns(ctx, 3)
		for i := range 150 {
			w.in = append(w.in, fmt.Sprint(i))
		}
		w.drained = false
		h.Ready(driver.Readable)
		turns(ctx, 5)
		if len(w.in) != 50 {
			t.Errorf("%d were left in the kernel", len(w.in))
		}
		p := make([]byte, 100)
		for i := range 150 {
			n, _, err := c.ReadFrom(p)
			if err != nil || string(p[:n]) != fmt.Sprint(i) {
				t.Fatalf("read %q in the place of %d, %v", p[:n], i, err)
			}
			w.drained = w.drained && len(w.in) == 0
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		turns(ctx, 2)
		if w.lent != 0 || len(w.inVain) > 0 {
			t.Errorf("%d batches are held; in vain: %v", w.lent, w.inVain)
		}
	})
}

func TestCloseInTheMidstOfABatchSendsTheAnswersAndReceivesNoMore(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &batchWire{packetWire: &packetWire{local: textAddr("here"), room: 1}, chunk: 8}
		s := &scripted{conn: w.packetWire}
		h := asyncio.NewDatagramTransportOn(loopOf(ctx), w, s)
		s.untilCall(ctx, "made")
		turns(ctx, 2)
		w.in, w.drained = []string{"a", "ac", "a", "a"}, false
		h.Ready(driver.Readable)
		turns(ctx, 3)
		if len(s.got) != 2 || len(w.out) != 1 || w.closed > 0 {
			t.Errorf("%d of 2 were received, %d of 1 answered, closed %d times", len(s.got), len(w.out), w.closed)
		}
		w.room, w.full = 5, false
		h.Ready(driver.Writable)
		s.untilCall(ctx, "lost")
		if len(w.out) != 2 || w.closed != 1 || w.lent != 0 {
			t.Errorf("%d of 2 were answered, closed %d times, %d batches are held", len(w.out), w.closed, w.lent)
		}
	})
}
