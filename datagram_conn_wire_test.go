package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// packetConnOn makes a PacketConn on w, which has told that it is there.
func packetConnOn(ctx context.Context, w driver.PacketConn) (asyncio.PacketConn, driver.Handler) {
	c, h := asyncio.NewPacketConnOn(loopOf(ctx), w)
	turns(ctx, 3)
	return c, h
}

// come makes datagrams come.
func (w *packetWire) come(h driver.Handler, all ...string) {
	w.in, w.drained = append(w.in, all...), false
	h.Ready(driver.Readable)
}

func TestAPacketConnKeepsAFewDatagramsAndLeavesTheRestToTheKernel(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here")}
		c, h := packetConnOn(ctx, w)
		for i := range 20 {
			w.in = append(w.in, fmt.Sprint(i))
		}
		w.come(h)
		turns(ctx, 5)
		if len(w.in) != 4 {
			t.Errorf("%d of 20 are left in the kernel", len(w.in))
		}
		p := make([]byte, 10)
		for i := range 20 {
			if n, _, err := c.ReadFrom(p); string(p[:n]) != fmt.Sprint(i) || err != nil {
				t.Errorf("read %q in the place of %d, %v", p[:n], i, err)
			}
			turns(ctx, 3)
			if want := max(3-i, 0); len(w.in) != want {
				t.Errorf("after %d were read %d are left in the kernel, and not %d", i+1, len(w.in), want)
			}
		}
		c.Close()
		turns(ctx, 2)
		if len(w.inVain) > 0 {
			t.Errorf("made in vain: %v", w.inVain)
		}
	})
}

// opError looks at an error of a PacketConn.
func opError(t *testing.T, n int, err error, op string, cause error) {
	t.Helper()
	var e *net.OpError
	if n != 0 || !errors.As(err, &e) || e.Op != op || !errors.Is(err, cause) || e.Net != "udp" || e.Source != net.Addr(textAddr("here")) {
		t.Errorf("%d, %#v: want one of %q with %v", n, err, op, cause)
	}
}

func TestTheErrorsOfAPacketConnSayWhatWasDone(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), room: 1}
		c, _ := packetConnOn(ctx, w)
		elsewhere := func(f func() (int, error)) (int, error) {
			n := -1
			_, err := asyncio.ToThread(ctx, func(context.Context) (_ struct{}, err error) { n, err = f(); return struct{}{}, err })
			return n, err
		}
		p := []byte("x")
		read := func() (int, error) { n, _, err := c.ReadFrom(p); return n, err }
		n, err := elsewhere(read)
		opError(t, n, err, "read", asyncio.ErrWrongGoroutine)
		n, err = elsewhere(func() (int, error) { return c.Write(p) })
		opError(t, n, err, "write", asyncio.ErrWrongGoroutine)
		n, err = elsewhere(func() (int, error) { return c.WriteTo(p, textAddr("there")) })
		opError(t, n, err, "write", asyncio.ErrWrongGoroutine)
		var missing *net.AddrError
		n, err = c.Write(p)
		if opError(t, n, err, "write", err); !errors.As(err, &missing) || missing.Err != "missing address" {
			t.Errorf("Write of one that is not connected: %v", err)
		}
		n, err = c.WriteTo(p, nil)
		if opError(t, n, err, "write", err); !errors.As(err, &missing) || missing.Err != "missing address" {
			t.Errorf("WriteTo nobody: %v", err)
		}
		if n, err := c.WriteTo(p, textAddr("there")); n != 1 || err != nil || len(w.out) != 1 {
			t.Errorf("what nothing is wrong with: %d, %v, sent %q", n, err, w.out)
		}
		c.SetDeadline(longPast)
		n, err = read()
		opError(t, n, err, "read", os.ErrDeadlineExceeded)
		n, err = c.WriteTo(p, textAddr("there"))
		opError(t, n, err, "write", os.ErrDeadlineExceeded)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		n, err = read()
		opError(t, n, err, "read", net.ErrClosed)
		n, err = c.WriteTo(p, textAddr("there"))
		opError(t, n, err, "write", net.ErrClosed)
		for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline, c.SetWriteDeadline} {
			opError(t, 0, set(noTime), "set", net.ErrClosed)
		}
	})
}

// A write is held up while more is queued than the high-water mark, and ends with the
// reason where there comes no room.
func TestAWriteOfAPacketConnWaitsForRoom(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), remote: textAddr("there"), full: true}
		c, h := packetConnOn(ctx, w)
		much := make([]byte, 70<<10)
		write := func(context.Context) error {
			n, err := c.Write(much)
			if (n == len(much)) != (err == nil) || n != len(much) && n != 0 {
				t.Errorf("%d were written, %v", n, err)
			}
			return err
		}
		w.full = false
		first := asyncio.Go(ctx, write)
		turns(ctx, 3)
		if first.Done() {
			t.Error("the write did not wait")
		}
		first.Cancel()
		if _, err := first.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("one that was cancelled ended with %v", err)
		}
		second := asyncio.Go(ctx, write)
		turns(ctx, 3)
		asyncio.Go(ctx, func(context.Context) error { return c.SetWriteDeadline(longPast) })
		if _, err := second.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one that was late ended with %v", err)
		}
		c.SetWriteDeadline(noTime)
		inCallback := errFault
		loopOf(ctx).CallSoon(func() { inCallback = write(ctx) }) // where nothing can wait
		turns(ctx, 2)
		if inCallback != nil {
			t.Errorf("in a callback: %v", inCallback)
		}
		third := asyncio.Go(ctx, write)
		turns(ctx, 3)
		w.room, w.full = 10, false
		h.Ready(driver.Writable)
		if _, err := third.Await(ctx); err != nil || len(w.out) != 4 {
			t.Errorf("after there was room %d of 4 were sent, %v", len(w.out), err)
		}
		c.Close()
	})
}

func TestWhatTheNetworkSaysIsForTheReaderOfAConnectedPacketConnAlone(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		for _, remote := range []net.Addr{nil, textAddr("there")} {
			w := &packetWire{local: textAddr("here"), remote: remote}
			c, h := packetConnOn(ctx, w)
			read := func(context.Context) (string, error) {
				p := make([]byte, 10)
				n, _, err := c.ReadFrom(p)
				return string(p[:n]), err
			}
			reading := asyncio.CreateTask(ctx, read)
			turns(ctx, 2)
			w.fail, w.drained = errFault, false
			h.Ready(driver.Readable)
			turns(ctx, 3)
			if told := reading.Done(); told != (remote != nil) {
				t.Errorf("connected %v: whoever waits was told: %v", remote != nil, told)
			}
			w.come(h, "data")
			got, err := reading.Await(ctx)
			if remote != nil {
				if !errors.Is(err, errFault) {
					t.Errorf("told %v", err)
				}
				got, err = read(ctx) // it is told once
			}
			if got != "data" || err != nil {
				t.Errorf("connected %v: read %q, %v", remote != nil, got, err)
			}
			c.Close()
		}
	})
}

// A read ends when the endpoint is closed, also while something is still to be sent.
func TestTheEndOfAPacketConnEndsItsReadAndItsTimers(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), remote: textAddr("there")}
		c, h := packetConnOn(ctx, w)
		if n, err := c.Write([]byte("pending")); n != 7 || err != nil {
			t.Fatal(n, err)
		}
		timers := loopOf(ctx).Stats().Timers
		c.SetDeadline(time.Now().Add(time.Hour))
		if n := loopOf(ctx).Stats().Timers - timers; n != 2 {
			t.Errorf("there are %d timers for the deadlines", n)
		}
		reading := asyncio.Go(ctx, func(context.Context) error { return second(c.Read(make([]byte, 1))) })
		turns(ctx, 2)
		c.Close()
		turns(ctx, 2)
		if !reading.Done() || w.closed > 0 {
			t.Errorf("the read has ended: %v; closed %d times with something unsent", reading.Done(), w.closed)
		}
		if _, err := reading.Await(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
		w.room, w.full = 1, false
		h.Ready(driver.Writable)
		turns(ctx, 3)
		if n := loopOf(ctx).Stats().Timers; w.closed != 1 || n != timers {
			t.Errorf("closed %d times, %d timers are left of %d", w.closed, n, timers)
		}
	})
}

// An untilClock says itself how far away a time is.
type untilClock struct {
	*asyncio.Clock
	left time.Duration
}

func (c *untilClock) Until(time.Time) time.Duration { return c.left }

// A deadline that is not in the future ends waits at once, and needs no timer.
func TestADeadlineIsReachedWhenNothingIsLeft(t *testing.T) {
	k := &untilClock{Clock: asyncio.NewClock()}
	runOn(t, asyncio.WithDriver(k), func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here")}
		c, _ := packetConnOn(ctx, w)
		timers := loopOf(ctx).Stats().Timers
		for _, left := range []time.Duration{-time.Second, 0, 1, time.Second} {
			k.left = left
			began := k.Now()
			c.SetReadDeadline(time.Unix(1<<40, 0))
			want := 0
			if left > 0 {
				want = 1
			}
			if n := loopOf(ctx).Stats().Timers - timers; n != want {
				t.Errorf("%v before it there are %d timers", left, n)
			}
			if _, _, err := c.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || k.Now()-began != max(left, 0) {
				t.Errorf("%v before it a read ended after %v with %v", left, k.Now()-began, err)
			}
		}
		c.Close()
	})
}

// A fromWire is a packetWire whose datagrams come from one address, the same each time.
type fromWire struct {
	*packetWire
	from net.Addr
}

func (w fromWire) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, err := w.packetWire.ReadFrom(p)
	return n, w.from, err
}

// What a driver hands to several readers is not to be changed; what ReadFrom returns is
// the caller's.
func TestTheAddressThatReadFromReturnsIsTheCallers(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		one := &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "lo"}
		want := one.String()
		for _, remote := range []net.Addr{nil, one} {
			w := fromWire{&packetWire{local: textAddr("here"), remote: remote}, one}
			c, h := packetConnOn(ctx, w)
			w.come(h, "x", "y")
			for range 2 {
				_, from, err := c.ReadFrom(make([]byte, 1))
				if err != nil || from.String() != want {
					t.Errorf("from %v, %v", from, err)
				}
				if same := from == net.Addr(one); same != (remote != nil) {
					t.Errorf("connected %v: it is the driver's own: %v", remote != nil, same)
				} else if !same {
					u := from.(*net.UDPAddr)
					u.IP[0], u.Port = 1, 2
				}
			}
			c.Close()
		}
	})
}
