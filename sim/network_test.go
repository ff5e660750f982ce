package sim_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// connect dials an address after a while, and returns how that went and how long it took.
func connect(ctx context.Context, address string, opts ...asyncio.ConnOption) (time.Duration, error) {
	if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
		return 0, err
	}
	began := time.Now()
	s, err := asyncio.OpenConnection(ctx, "tcp", address, opts...)
	if err == nil {
		err = s.Close()
	}
	return time.Since(began), err
}

// wantError returns an error unless err is want.
func wantError(err, want error) error {
	if !errors.Is(err, want) {
		return errors.Join(errors.New("not the error that was wanted"), err, want)
	}
	return nil
}

func TestAPortAtWhichNobodyListensRefuses(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("server")
		w.Host("client").Go(func(ctx context.Context) error {
			_, err := connect(ctx, "server:7")
			return wantError(err, syscall.ECONNREFUSED)
		})
	})
}

func TestAnAddressThatNobodyHasTimesOut(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("client").Go(func(ctx context.Context) error {
			took, err := connect(ctx, "10.9.9.9:7")
			if took < time.Minute {
				w.Failf("it took %v", took)
			}
			return wantError(err, syscall.ETIMEDOUT)
		})
	}, sim.Seeds(10))
}

func TestADeadlineOfAContextComesInTheWorldsTime(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("client").Go(func(ctx context.Context) error {
			limited, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			_, err := connect(limited, "10.9.9.9:7")
			if now := w.Now(); now < 3*time.Second || now > 3*time.Second+100*time.Millisecond {
				w.Failf("it came at %v", now)
			}
			return wantError(err, context.DeadlineExceeded)
		})
	})
}

func TestANameIsLookedUpInTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(echo)
		w.DNS("broken", sim.DNSAnswer{Err: syscall.EIO, Delay: time.Second})
		w.DNS("alias", sim.DNSAnswer{Addrs: []netip.Addr{server.Addr6()}})
		w.Host("client").Go(func(ctx context.Context) error {
			_, err := connect(ctx, "nobody:7")
			var dns *net.DNSError
			if !errors.As(err, &dns) || !dns.IsNotFound {
				return wantError(err, errors.New("no such host"))
			}
			took, err := connect(ctx, "broken:7")
			if took < time.Second {
				w.Failf("it took %v", took)
			}
			if err := wantError(err, syscall.EIO); err != nil {
				return err
			}
			return ask(ctx, "alias:7", []byte("hello"))
		})
	})
}

func TestLossDelaysAStreamAndLosesNothing(t *testing.T) {
	slow := 0
	sim.Test(t, func(w *sim.World) {
		w.Links(sim.Loss(0.2))
		w.Host("server").Serve(echo)
		client := w.Host("client")
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			if err := ask(ctx, "server:7", make([]byte, 100_000)); err != nil {
				return err
			}
			w.Sometimes("something was lost", w.Now() > time.Second)
			if w.Now() > time.Second {
				slow++
			}
			return nil
		})
	})
	if slow < 20 {
		t.Errorf("only %d worlds were slow", slow)
	}
}

func TestBandwidthBoundsAStream(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		w.OneWay(client, server).Set(sim.Bandwidth(10_000), sim.Latency(0, 0))
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			err := ask(ctx, "server:7", make([]byte, 50_000))
			if w.Now() < 5*time.Second {
				w.Failf("50,000 bytes took %v", w.Now())
			}
			return err
		})
	}, sim.Seeds(20))
}

func TestAStreamOutlivesAShortPartition(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		w.At(30*time.Millisecond, func() { w.Partition(server, client) })
		w.At(5*time.Second, func() { w.Heal(server, client) })
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			if _, err := s.Write([]byte("x")); err != nil {
				return err
			}
			if _, err = io.ReadFull(s, make([]byte, 1)); w.Now() < 5*time.Second {
				w.Failf("the answer came at %v", w.Now())
			}
			return err
		})
	})
}

// dialRetrying dials until somebody listens.
func dialRetrying(ctx context.Context, address string) (*asyncio.Stream, error) {
	for {
		s, err := asyncio.OpenConnection(ctx, "tcp", address)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return s, err
		}
		if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func TestOneDirectionMayBeCutAlone(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		got := 0
		server.Serve(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error {
				n, err := io.ReadFull(s, make([]byte, 3))
				got += n
				_, _ = s.Write([]byte("answer"))
				return err
			})
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			w.OneWay(server, client).Cut()
			if _, err := s.Write([]byte("one")); err != nil {
				return err
			}
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err = s.ReadContext(limited, make([]byte, 1))
			return wantError(err, context.DeadlineExceeded)
		})
		w.Eventually("the question arrives", time.Minute, func() bool { return got == 3 })
	}, sim.Seeds(30))
}

func TestAWriterToACrashedHostTimesOut(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			server.Crash()
			for err == nil {
				_, err = s.Write(make([]byte, 1000))
			}
			return wantError(err, syscall.ETIMEDOUT)
		})
	}, sim.Seeds(20))
}

func TestAReaderFromACrashedHostIsToldNothing(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			server.Restart()
			limited, cancel := context.WithTimeout(ctx, 30*time.Minute)
			defer cancel()
			_, err = s.ReadContext(limited, make([]byte, 1))
			if err := wantError(err, context.DeadlineExceeded); err != nil {
				return err
			}
			if _, err := s.Write([]byte("x")); err != nil { // the new start knows nothing of it
				return err
			}
			_, err = s.Read(make([]byte, 1))
			return wantError(err, syscall.ECONNRESET)
		})
	}, sim.Seeds(20))
}

func TestAFullBacklogMakesPeersWait(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error { return s.Close() }, asyncio.WithBacklog(1))
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		w.At(90*time.Millisecond, func() { server.Pause(500 * time.Millisecond) })
		slow := 0
		client := w.Host("client")
		for range 4 {
			client.Go(func(ctx context.Context) error {
				took, err := connect(ctx, "server:7")
				if took >= time.Second {
					slow++
				}
				return err
			})
		}
		w.Eventually("the others have asked again", time.Minute, func() bool { return slow == 3 })
	})
}

func TestDatagramsAreLostAndComeTwice(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		w.OneWay(client, server).Set(sim.Loss(0.3), sim.Duplicates(0.3), sim.Latency(time.Millisecond, 20*time.Millisecond))
		var got []byte
		server.Serve(func(ctx context.Context) error {
			c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr(":9"))
			if err != nil {
				return err
			}
			defer c.Close()
			for {
				b := make([]byte, 10)
				if _, _, err := c.ReadFrom(b); err != nil {
					return err
				}
				got = append(got, b[0])
			}
		})
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr("server:9"))
			if err != nil {
				return err
			}
			defer c.Close()
			for i := range byte(5) {
				if _, err := c.Write([]byte{i}); err != nil {
					return err
				}
			}
			return asyncio.Sleep(ctx, 100*time.Millisecond)
		})
		w.At(140*time.Millisecond, func() {
			seen := make(map[byte]int)
			ordered := true
			for i, b := range got {
				seen[b]++
				ordered = ordered && (i == 0 || got[i-1] <= b)
			}
			w.Sometimes("lost", len(seen) < 5)
			w.Sometimes("twice", len(seen) < len(got))
			w.Sometimes("in another order", !ordered)
		})
	})
}
