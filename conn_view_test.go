package asyncio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A deadline that is set on another goroutine arrives later than it was set: one that
// was set after it stays.
func TestTheDeadlineThatWasSetLastCounts(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w := &packetWire{local: textAddr("here"), room: 100}
		c, _ := packetConnOn(ctx, w)
		elsewhere := func(set func(time.Time) error, at time.Time) {
			done := make(chan error)
			go func() { done <- set(at) }()
			if err := <-done; err != nil { //asyncvet:ignore blocking it only posts
				t.Error(err)
			}
		}
		expired := func() (read, write bool) {
			reading := asyncio.Go(ctx, func(context.Context) error { _, _, err := c.ReadFrom(make([]byte, 1)); return err })
			turns(ctx, 3)
			read = reading.Done()
			if reading.Cancel(); read {
				if _, err := reading.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a read ended with %v", err)
				}
			}
			_, err := c.WriteTo([]byte("x"), textAddr("there"))
			return read, errors.Is(err, os.ErrDeadlineExceeded)
		}
		for i, s := range []struct {
			elsewhere, here func(time.Time) error
			read, write     bool
		}{
			{c.SetDeadline, c.SetDeadline, false, false},
			{c.SetDeadline, c.SetReadDeadline, false, true},
			{c.SetDeadline, c.SetWriteDeadline, true, false},
			{c.SetReadDeadline, c.SetReadDeadline, false, false},
			{c.SetReadDeadline, c.SetWriteDeadline, true, false},
			{c.SetWriteDeadline, c.SetWriteDeadline, false, false},
			{c.SetWriteDeadline, c.SetReadDeadline, false, true},
		} {
			elsewhere(s.elsewhere, longPast)
			if err := s.here(noTime); err != nil {
				t.Error(err)
			}
			if read, write := expired(); read != s.read || write != s.write {
				t.Errorf("%d: the deadline of reading is over: %v, of writing: %v", i, read, write)
			}
			c.SetDeadline(noTime)
		}
		elsewhere(c.SetDeadline, longPast)
		elsewhere(c.SetDeadline, noTime)
		if read, write := expired(); read || write {
			t.Errorf("of two from elsewhere the first counts: %v, %v", read, write)
		}
		c.Close()
	})
}

// Once the loop has closed nothing can be set any more.
func TestADeadlineOnALoopThatHasClosedIsAnError(t *testing.T) {
	var all []asyncio.PacketConn
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for _, local := range []net.Addr{textAddr("here"), nil} {
			c, _ := packetConnOn(ctx, &packetWire{local: local})
			all = append(all, c)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range all {
		for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline, c.SetWriteDeadline} {
			var op *net.OpError
			if err := set(noTime); !errors.As(err, &op) || op.Op != "set" || !errors.Is(err, net.ErrClosed) || (op.Net == "udp") != (i == 0) {
				t.Errorf("%d: %#v", i, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Errorf("%d: Close gave %v", i, err)
		}
	}
}
