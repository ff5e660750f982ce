package sim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestARuleDropsAPacketAndTheStreamSendsItAgain(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		dropped := 0
		w.Rule(func(p sim.Packet) sim.Verdict {
			if p.To == server && p.Port == 7 && bytes.Contains(p.Data, []byte("hello")) && dropped < 2 {
				dropped++
				return sim.Drop
			}
			return sim.Pass
		})
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			began := w.Now()
			if _, err := s.Write([]byte("hello")); err != nil {
				return err
			}
			if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
				return err
			}
			w.Sometimes("twice", dropped == 2)
			if dropped == 2 && w.Now()-began < 600*time.Millisecond {
				w.Failf("it took %v", w.Now()-began)
			}
			return nil
		})
	})
}

func TestARuleHoldsAPacketAndWhatIsBehindIt(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		r := w.Rule(func(p sim.Packet) sim.Verdict {
			if len(p.Data) > 0 && p.From == client {
				return sim.Hold
			}
			return sim.Pass
		})
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			for _, word := range []string{"one ", "two ", "three"} {
				if _, err := s.Write([]byte(word)); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			if r.Held() != 1 {
				w.Failf("%d are held", r.Held())
			}
			began := w.Now()
			w.At(began+time.Minute, r.End)
			got := make([]byte, 13)
			if _, err := io.ReadFull(s, got); err != nil {
				return err
			}
			if string(got) != "one two three" || w.Now() < began+time.Minute {
				w.Failf("%q at %v", got, w.Now())
			}
			return nil
		})
	})
}

func TestARuleKeepsAConnectionFromBeingMade(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		r := w.Rule(func(p sim.Packet) sim.Verdict {
			if p.Syn && p.Reply {
				return sim.Hold
			}
			return sim.Pass
		})
		w.At(500*time.Millisecond, r.Release)
		client.Go(func(ctx context.Context) error {
			took, err := connect(ctx, "server:7")
			if now := w.Now(); now < 500*time.Millisecond || now > 700*time.Millisecond {
				w.Failf("it took %v, until %v", took, now)
			}
			return err
		})
	})
}

func TestADatagramThatIsTooLong(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		got := 0
		server.Serve(func(ctx context.Context) error {
			c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr(":9"))
			if err != nil {
				return err
			}
			for {
				if _, _, err := c.ReadFrom(make([]byte, 9000)); err != nil {
					return err
				}
				got++
			}
		})
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr("server:9"))
			if err != nil {
				return err
			}
			defer c.Close()
			send := func(n int) error {
				before := got
				_, err := c.Write(make([]byte, n))
				if slept := asyncio.Sleep(ctx, time.Second); err == nil && slept == nil && got == before {
					return io.ErrNoProgress
				}
				return err
			}
			link := w.Link(client, server)
			link.Set(sim.MTURefused(1500))
			if err := send(1472); err != nil {
				return err
			}
			if _, err := c.Write(make([]byte, 1473)); err != nil {
				return err
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.EMSGSIZE) { // the loop has sent it meanwhile
				w.Failf("it was told %v", err)
			}
			link.Set(sim.MTUSwallowed(1500))
			if err := errors.Join(send(1472), wantError(send(1473), io.ErrNoProgress)); err != nil {
				return err
			}
			link.Set(sim.MTU(1500))
			return send(8000)
		})
	})
}

func TestADNSAnswerChanges(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		one, other := w.Host("one"), w.Host("other")
		one.Serve(echo)
		w.DNS("service", sim.DNSAnswer{Addrs: []netip.Addr{other.Addr()}})
		w.At(time.Second, func() { w.DNS("service", sim.DNSAnswer{Addrs: []netip.Addr{one.Addr()}, Delay: time.Second}) })
		w.Host("client").Go(func(ctx context.Context) error {
			if _, err := connect(ctx, "service:7"); !errors.Is(err, syscall.ECONNREFUSED) {
				w.Failf("%v", err)
			}
			if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
				return err
			}
			took, err := connect(ctx, "service:7")
			if took < time.Second {
				w.Failf("it took %v", took)
			}
			return err
		})
	})
}

func TestAWorldWithTLSIsTheSameAgain(t *testing.T) {
	cert, roots := testCertificate()
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(func(ctx context.Context) error {
			return serveTLS(ctx, cert, func(ctx context.Context, s *asyncio.Stream) error {
				defer s.Close()
				_, err := io.Copy(s.Conn(), s.Conn())
				return err
			})
		})
		w.Host("client").Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			s, err := dialTLS(ctx, roots)
			if err != nil {
				return err
			}
			if _, err := s.Write([]byte("hello")); err != nil {
				return err
			}
			if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
				return err
			}
			return s.Close()
		})
	}, sim.EqualRandom(), sim.Seeds(10))
}
